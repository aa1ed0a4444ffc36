cluster "east" {
  meta_servers = ["10.0.0.1:34601"

migration "orders" {
