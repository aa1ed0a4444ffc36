# Moves the table "orders" from cluster east to cluster west through a cold backup: the servers of east write it to a
# block store, those of west restore it. See README.md beside this file.

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
    cluster = cluster.west
    # The servers make the table from the backup: partition and replica count stay as they are.
  }

  method "backup_restore" {
    provider = provider.store
    # Writes are rejected from before the backup until the target is compared.
    source_writes = "fenced"
  }

  limits {
    write_reject     = "6h"   # the fence is lifted before it has been up for longer
    rows_per_second  = 200000 # of the comparison
    bytes_per_second = "64MiB"

    send_rate { # of each server, from the first bytes on; HDFS only
      start = "50MiB"
      step  = "50MiB"
      max   = "200MiB"
      every = "5m"
    }
  }

  after {
    # A client that still has an address of east gets errors there, and does not write unseen.
    source = "keep_fenced"
  }

  # `apply` stops before the fence goes up and the backup begins.
  approve = ["backup"]
}
