cluster "east" {
  meta_servers = ["10.0.0.1:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}

# Values.
migration "a" {
  source {
    cluster = cluster.east
    table   = "a"
  }
  target {
    cluster   = cluster.west
    table     = "a2"
    if_exists = "resume_empty"
  }
  method "duplication" {
    fail_mode     = "slwo"
    return_ticket = "24h"
    drop_follower = "perhaps"
    source_writes = "fenced"
    provider      = "local_service"
    freeze        = true
  }
  limits {
    write_reject = "0s"
    in_flight    = 512
    window       = ["22:00-06:00"]
    send_rate {
      start = "50MB"
      step  = "50MB"
      max   = "200MB"
      every = "5m"
    }
    stop_if {
      disk_free = "15%"
    }
  }
  cutover {
    lag_threshold = 0
    traffic_proof = "0s"
    lag_treshold  = 5
    metaproxy {
      zookeeper = ["10.2.0.1", "10.2.0.2:2181", "10.2.0.2:2181"]
      root      = "pegasus-metaproxy"
      proxies   = ["10.3.0.1:34601", "[::1]:34601", "10.3.0.1:034601"]
    }
  }
  verify {
    mode = "off"
    when = "before_fence"
  }
  after {
    source  = "drop"
    reserve = "0s"
  }
  approve = ["clients", "cutover", "complete", "copy", "cut-over"]
}

# What is missing, what is empty.
migration "b" {
  source {
    cluster = cluster.east
    table   = "b"
  }
  target {
    cluster   = cluster.west
    if_exists = "merge"
  }
  method "duplication" {
    return_ticket = "0s"
  }
  cutover {
    traffic_proof = 120
    metaproxy {
      zookeeper = []
      proxies   = []
    }
  }
  verify {
    when = "in_windwo"
  }
  after {
    source  = "dorp"
    reserve = "1d"
  }
}

migration "c" {
  source {
    cluster = cluster.east
    table   = "c"
  }
  target {
    cluster = cluster.east
    table   = "c2"
  }
  method "duplication" {
    return_ticket = "60d"
  }
  limits {
    rows_per_second  = 1000
    bytes_per_second = "1MiB"
  }
  cutover {
    traffic_proof = "2m"
  }
  verify {
    mode = "off"
  }
  after {
    source  = "keep_fenced"
    reserve = "7d"
  }
}

migration "d" {
  source {
    cluster = cluster.east
    table   = "d"
  }
  target {
    cluster = cluster.west
  }
  method "duplication" {}
  cutover {
    traffic_proof = "2m"
    metaproxy     = "10.3.0.1:34601"
  }
  after {
    source  = "drop"
    reserve = "20000d"
  }
}

migration "e" {
  source {
    cluster = cluster.east
    table   = "e"
  }
  target {
    cluster = cluster.west
  }
  method "duplication" {}
  cutover {
    traffic_proof = "2m"
    metaproxi {
      root    = "/"
      proxies = ["10.3.0.1:34601"]
    }
  }
}

migration "f" {
  source {
    cluster = cluster.east
    table   = "f"
  }
  target {
    cluster = cluster.west
  }
  method "duplication" {}
  cutover {
    metaproxy {
      zookeeper = "10.2.0.1:2181,10.2.0.2:2181"
      root      = "/a//b"
    }
  }
  cutover {}
}
