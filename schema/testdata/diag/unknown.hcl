cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
clutser "north" {
  meta_servers = ["10.2.0.1:34601"]
}
tables = ["a"]
variable = 3
migration "orders" {
  sorce {
    cluster = cluster.east
  }
  target {
    cluster   = cluster.west
    partitons = 8
    envs {
      default_ttl = 1
    }
  }
  approve "copy" {}
  limits = {}
  method "copy" {
    fail_mode      = "slow"
    provider       = "hdfs"
    source_write   = "stopped"
    send_rate {
    }
  }
}
