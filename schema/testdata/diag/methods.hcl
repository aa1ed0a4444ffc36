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
  cutover {
    lag_threshold = 10000
  }
  limits {
    window = ["22:00-06:00"]
    send_rate {
      start = "50MB"
      step  = "50MB"
      max   = "200MB"
      every = "5m"
    }
    stop_if {
      source_p99 = "50ms"
      disk_free  = "15%"
    }
  }
  verify {
    mode = "sample"
    when = "before_fence"
  }
  after {
    source  = "keep_fenced"
    reserve = "7d"
  }
  approve = ["copy", "unfence", "cutover", "cpoy", "copy"]
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
    source_writes = "catch_up"
  }
  verify {
    mode = "ful"
  }
  after {
    source  = "drop"
    reserve = "7d"
  }
  approve = "copy"
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
    source_writes = "fence"
  }
  after {
    source = "keep-fenced"
  }
}

migration "orders4" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table = "z"
  }
  method "dual_write" {
    source_writes = "fenced"
    adopt_max_age = "1h"
  }
  after {
    source = "unfence"
  }
  approve = ["complete", "dual_write"]
}

migration "orders5" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table = "zz"
  }
  method "cpoy" {

  }

}

migration "orders6" {
  source {
    backup {
      path   = "x"
      app_id = 14
    }
  }
  target {
    cluster = cluster.west
    table   = "restored"
  }
  method "teleport" {
  }
  verify {
    when = "in_window" # whose method is not known: nothing follows from it
  }
  after {
    source = "drop"
  }
}
