cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
cluster "east" {
  meta_servers = ["10.9.0.1:34601"]
}
cluster {
  meta_servers = ["10.9.0.1:34601"]
}
cluster "a b" {
  meta_servers = ["10.9.0.1:34601"]
}
variable "n" "m" {
}
variable "x" {
  default = 1
}
variable "x" {
  default = 2
}
variable "9" {
}
locals {
  a = 1
}
locals {
  a = 2
  nested {
  }
}
migration "../orders" {
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

}

migration "orders" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table = "orders2"
  }
  method "copy" {

  }

}
