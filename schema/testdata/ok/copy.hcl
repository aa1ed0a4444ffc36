cluster "east" {
  meta_servers = ["10.0.0.1:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}

# Every option that does not exclude another.
migration "some" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster   = cluster.west
    if_exists = "merge"
  }
  method "copy" {
    source_writes         = "stopped"
    partitions            = [3, 0, "7"]
    hash_key              = "prefix:user_"
    sort_key              = "exact:name"
    value                 = "anywhere:\\xff:\\\\"
    keep_ttl              = false
    overwrite             = "always"
    copy_value            = true
    multi_set             = "on"
    multi_set_rows        = 200
    multi_set_concurrency = 8
    scan_batch            = 500
    timeout               = "8s"
  }
  limits {
    window = ["22:00-06:00 Asia/Shanghai", "12:30-13:00"]
    stop_if {
      source_p99          = "50ms"
      target_p99          = "100ms"
      disk_free           = "15%"
      pending_compaction  = "64GiB"
      failures_per_second = 0.5
    }
  }
  verify {
    mode   = "sample"
    sample = "2.5%"
  }
}

migration "keys" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table   = "keys"
  }
  method "copy" {
    source_writes = "fenced"
    copy_value    = false
    hash_key      = "exact:"
    overwrite     = "never_unatomic"
    multi_set     = "off"
  }
  limits {
    write_reject = "10m"
  }
  verify {
    mode = "count"
  }
}

migration "live" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster   = cluster.west
    table     = "live"
    if_exists = "resume_empty"
  }
  method "copy" {
    source_writes = "catch_up"
  }
  limits {
    write_reject = "3m"
    window       = ["22:00-06:00 Europe/Berlin"]
    stop_if {
      source_p99 = "50ms"
    }
  }
  after {
    source = "keep_fenced"
  }
  approve = ["fence", "unfence", "copy"]
}

# An index of positions, as the geo client makes it by default, and with everything declared.
migration "places" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table   = "places"
  }
  method "copy" {
    geo {
    }
  }
}

migration "boxes" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster   = cluster.west
    table     = "boxes"
    if_exists = "resume_empty"
  }
  method "copy" {
    keep_ttl = false
    geo {
      latitude_index  = 0
      longitude_index = "1"
      min_level       = 0
      on_undecodable  = "skip"
    }
  }
}
