cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
migration "empty" {
}
migration "halves" {
  source {
  }
  target {
    cluster = null
  }
  method "copy" {
  }
  method "copy" {
  }
}
cluster "north" {
}
migration "nulls" {
  source {
    cluster = null
    table   = null
  }
  target {
    cluster = cluster.west
  }
  method "copy" {
  }
}
