cluster "east" {
  meta_servers = ["10.0.0.1:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}

migration "values" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
  }
  method "copy" {
    partitions            = [0, 3, 3, -1, 1.5, "x", null]
    hash_key              = "prefx:user_"
    sort_key              = "user_"
    value                 = "prefix:"
    keep_ttl              = "perhaps"
    overwrite             = "nevr"
    copy_value            = 1
    multi_set             = true
    multi_set_rows        = 0
    multi_set_concurrency = 5000
    scan_batch            = 1e9
    timeout               = "5ms"
    scan_batsh            = 100
  }
  limits {
    window = ["22:00-06:00 Asia/Shangai", "22:00-06:00 Local"]
    stop_if {
      source_p99          = 50
      target_p99          = "0s"
      pending_compaction  = "64 GigaBytes"
      failures_per_second = 0
      disk_fre            = "15%"
    }
  }
  verify {
    mode   = "sample"
    sample = "100%"
  }
}

migration "conflicts" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster   = cluster.west
    table     = "conflicts"
    if_exists = "merge"
  }
  method "copy" {
    source_writes  = "fenced"
    partitions     = []
    value          = "anywhere:a"
    copy_value     = false
    overwrite      = "never"
    multi_set      = "on"
    multi_set_rows = 10
  }
  limits {
    window = ["22:00-06:00"]
    stop_if {
    }
  }
  verify {
    mode   = "count"
    sample = "1%"
  }
  approve = ["fence"]
}

migration "catch_up" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster   = cluster.west
    table     = "catch_up"
    if_exists = "merge"
  }
  method "copy" {
    source_writes  = "catch_up"
    overwrite      = "never"
    multi_set_rows = 10
    hash_key       = "prefix:\\q"
  }
  limits {
    window = []
  }
  verify {
    mode = "off"
  }
  after {
    source = "drop"
  }
}

migration "accepted" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table   = "accepted"
  }
  method "copy" {
    source_writes  = "accepted"
    multi_set      = "off"
    multi_set_rows = 10
    partitions     = 3
  }
  limits {
    write_reject = "1m"
  }
  verify {
    mode = "count"
  }
  approve = ["unfence"]
}

migration "other_method" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
  }
  method "duplication" {
    hash_key = "prefix:a"
    timeout  = "5s"
  }
  verify {
    mode   = "count"
    sample = "1%"
  }
}

migration "places" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster   = cluster.west
    table     = "places"
    if_exists = "merge"
  }
  method "copy" {
    copy_value = false
    geo {
      latitude_index = 4
      min_level      = 30
      max_level      = 16
      on_undecodable = "ignore"
    }
  }
}

migration "shipped_places" {
  source {
    cluster = cluster.east
    table   = "shipped"
  }
  target {
    cluster = cluster.west
  }
  method "duplication" {
    geo {
    }
  }
}
