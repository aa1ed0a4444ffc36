cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
locals {
  secret = env("NO_SUCH_VARIABLE")
  text   = file("no-such-file")
  number = tonumber("x")
  divide = 1 / 0
  index  = ["a"][3]
  json   = jsondecode("{")
  key    = { a.b = 1 }
}
cluster "north" {
  meta_servers = [for i in range(3) : i]
}
