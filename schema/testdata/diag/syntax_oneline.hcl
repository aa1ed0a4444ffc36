cluster "east" { meta_servers = ["10.0.0.1:34601"] }
migration "orders" {
  limits { rows_per_second = 1 in_flight = 2 }
  verify { mode = "full" }
  approve = []
  approve = []
}
