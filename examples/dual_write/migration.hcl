# Moves the table "orders" from cluster east to cluster west while clients write both: what was there before they began
# is loaded behind what they write. See README.md beside this file.

variable "east_meta_servers" {
  type        = list(string)
  description = "every meta server of the cluster that the table is on"
  default     = ["10.0.0.1:34601", "10.0.0.2:34601"]
}

variable "west_meta_servers" {
  type        = list(string)
  description = "every meta server of the cluster that it moves to"
  default     = ["10.1.0.1:34601", "10.1.0.2:34601"]
}

variable "table" {
  type    = string
  default = "orders"
}

variable "partitions" {
  type        = number
  description = "how many partitions the table has on west: a power of two"
  default     = 64
}

variable "store_name" {
  type        = string
  description = "the suffix of the section [block_service.NAME] in the servers' configuration"
  default     = "hdfs_main"
}

variable "store_type" {
  type        = string
  description = "type of that section: hdfs_service or local_service"
  default     = "hdfs_service"
}

variable "store_args" {
  type        = string
  description = "args of that section, word for word"
  default     = "hdfs://10.4.0.1:8020 /pegasus"
}

cluster "east" {
  meta_servers = var.east_meta_servers
}

cluster "west" {
  meta_servers = var.west_meta_servers
}

provider "store" {
  name = var.store_name
  type = var.store_type
  args = var.store_args
}

migration "orders" {
  source {
    cluster = cluster.east
    table   = var.table
  }

  target {
    cluster         = cluster.west
    partition_count = var.partitions
  }

  method "dual_write" {
    provider = provider.store
    staging  = "pegmigrate" # folder for the files to load, below the root of the store
  }

  limits {
    rows_per_second  = 200000 # of the comparisons
    bytes_per_second = "64MiB"
  }

  # `apply` always stops at the gate "dual_write", and here also before the end.
  approve = ["cutover"]
}
