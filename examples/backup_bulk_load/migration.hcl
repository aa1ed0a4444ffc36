# Moves the table "orders" from cluster east to cluster west with another partition count: a cold backup is split into
# files for the new partitions, and the servers of west load them. See README.md beside this file.

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

  method "backup_bulk_load" {
    provider = provider.store
    staging  = "pegmigrate" # folder for the files to load, below the root of the store
    # Rows that are expired when the files are split need not be loaded.
    drop_expired  = false
    source_writes = "fenced"
  }

  limits {
    write_reject     = "12h"  # the fence is lifted before it has been up for longer
    rows_per_second  = 200000 # of the comparison
    bytes_per_second = "64MiB"
  }

  after {
    source = "keep_fenced"
  }

  # `apply` stops before the fence goes up and the backup begins.
  approve = ["backup"]
}
