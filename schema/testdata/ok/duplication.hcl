# Method duplication, with everything that it takes.
variable "proxies" {
  type    = list(string)
  default = ["10.3.0.1:34601", "PROXY2.example.org:034601"]
}

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
    cluster         = cluster.west
    table           = "orders"
    partition_count = 64
    replica_count   = 3
    envs            = { "replica.slow_query_threshold" = 100 }
    if_exists       = "fail"
  }

  method "duplication" {
    fail_mode     = "skip"
    drop_follower = true
  }

  limits {
    write_reject     = "90s"
    rows_per_second  = 200000
    bytes_per_second = "64MiB"
  }

  cutover {
    lag_threshold = 5000
    metaproxy {
      zookeeper = ["10.2.0.1:2181", "10.2.0.2:2181"]
      root      = "/pegasus/metaproxy/"
      proxies   = var.proxies
    }
    traffic_proof = "5m"
  }

  verify {
    mode = "full"
    when = "in_window"
  }

  after {
    source  = "drop"
    reserve = "3d"
  }

  approve = ["cutover", "clients"]
}

# The same with nothing but what has to be there.
migration "users" {
  source {
    cluster = cluster.east
    table   = "users"
  }

  target {
    cluster = cluster.west
  }

  method "duplication" {}
}

# Led by a MetaProxy whose ZooKeeper is the source cluster's own.
migration "carts" {
  source {
    cluster = cluster.east
    table   = "carts"
  }

  target {
    cluster = cluster.west
  }

  method "duplication" {}

  cutover {
    metaproxy {
      root    = "/pegasus-metaproxy"
      proxies = ["10.3.0.1:34601"]
    }
  }

  verify {
    mode = "off"
  }

  after {
    source = "drop"
  }
}

# Another name, and a source that takes writes again: clients are moved by hand.
migration "items" {
  source {
    cluster = cluster.east
    table   = "items"
  }

  target {
    cluster = cluster.west
    table   = "items.v2"
  }

  method "duplication" {
    fail_mode = "fast"
  }

  cutover {
    lag_threshold = 1
  }

  after {
    source = "unfence"
  }
}
