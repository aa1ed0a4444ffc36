cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}

migration "orders" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west

  }
  method "copy" {

  }
  limits {
    write_reject     = 90
    rows_per_second  = 0
    bytes_per_second = "64 MegaBytes"
    in_flight        = 100000
    window           = ["22:00-06:00 Asia/Shanghai", "10pm"]
    send_rate {
      start = "50MB"
      step  = -1
      max   = "20MB"
      every = "5"
    }
    stop_if {
      source_p99 = "0s"
      disk_free  = "0.15"
    }
  }
}

migration "orders2" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table = "x"
  }
  method "copy" {

  }
  limits {
    write_reject     = "-5s"
    rows_per_second  = 1.5
    bytes_per_second = 0
    in_flight        = true
  }
}

migration "orders3" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table = "y"
  }
  method "copy" {

  }
  limits {
    write_reject     = "90s"
    bytes_per_second = 1.5
  }
}

migration "orders4" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table   = "w"
  }
  method "copy" {
  }
  limits {
    rows_per_second  = 1e30
    bytes_per_second = 1 / 0
    in_flight        = -1
  }
}
