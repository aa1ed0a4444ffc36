cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
variable "metas" {
  type    = list(string)
  default = ["10.4.0.1:1"]
}
locals {
  one  = local.two
  two  = "${local.three}!"
  three = local.one
  self = local.self
  fine = var.metsa
  all  = keys(local)
}
cluster "north" {
  meta_servers = varr.metas
}
cluster "south" {
  meta_servers = local.fine
}
migration "orders" {
  source {
    cluster = cluster.eats
    table   = orders
  }
  target {
    cluster         = cluster["wets"]
    table           = "${local.nope}"
    partition_count = min(var.metas...)
    replica_count   = mni(1, 2)
  }
  method "copy" {
    source_writes = cluster.east
  }
}
