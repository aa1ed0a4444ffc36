variable "partitions" {
  type        = number
  default     = 64
  description = "partitions of the target"
  validation {
    condition     = var.partitions <= 1024
    error_message = "too many: ${var.partitions}"
  }
}
variable "east_metas" {
  type    = list(string)
  default = ["10.0.0.1:34601", "META2.example.org:034601"]
}
locals {
  rate  = local.base * 2
  base  = max(50000, 10)
  dest  = cluster.west
  table = lower("ORDERS")
}
cluster "east" {
  meta_servers = var.east_metas
}
cluster "west" {
  meta_servers = [for i in range(1, 3) : format("10.1.0.%d:34601", i)]
}
migration "orders" {
  source {
    cluster = cluster.east
    table   = local.table
  }
  target {
    cluster         = local.dest
    table           = "${local.table}.v2"
    partition_count = var.partitions
    replica_count   = 3
    envs = {
      default_ttl                    = 86400
      "manual_compact.disabled"      = true
      "replica.slow_query_threshold" = "100"
      "rocksdb.usage_scenario"       = null
    }
    if_exists = "resume_empty"
  }
  method "copy" {
    source_writes = "fenced"
  }
  limits {
    write_reject     = "1h30m"
    rows_per_second  = local.rate
    bytes_per_second = "64MiB"
    in_flight        = 512
  }
  verify {
    mode = "full"
  }
  after {
    source = "keep_fenced"
  }
  approve = ["unfence", "copy"]
}
migration "users" {
  source {
    cluster = cluster.east
    table   = "users"
  }
  target {
    cluster = cluster.west
  }
  method "copy" {
  }
}
