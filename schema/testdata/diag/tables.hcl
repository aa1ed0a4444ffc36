cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
cluster "east2" {
  meta_servers = ["10.0.0.2:34601"]
}
migration "same" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.east
  }
  method "copy" {
  }
}
migration "alias" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.east2
    table   = "orders"
  }
  method "copy" {
  }
}
migration "names" {
  source {
    cluster = "east"
    table   = "my table"
  }
  target {
    cluster = "esat"
    table   = ""
  }
  method "copy" {
  }
}
migration "numbers" {
  source {
    cluster = ["east"]
    table   = "orders-2"
  }
  target {
    cluster         = cluster.west
    table           = 7
    partition_count = 48
    replica_count   = 0
    if_exists       = "replace"
  }
  method "copy" {
  }
}
migration "more" {
  source {
    cluster = cluster.east
    table   = "more"
  }
  target {
    cluster         = cluster.west
    partition_count = 0
    replica_count   = 2.5
    if_exists       = "resume-empty"
  }
  method "copy" {
  }
}
migration "again" {
  source {
    cluster = cluster.east
    table   = "again"
  }
  target {
    cluster         = cluster.west
    table           = "more"
    partition_count = "many"
  }
  method "copy" {
  }
}
