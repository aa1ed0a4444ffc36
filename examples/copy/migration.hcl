# Moves the table "orders" from cluster east to cluster west, row by row, while the writes of
# clients are rejected. See README.md beside this file.

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
  default     = 64
  description = "partition count of the new table; it may differ from the old one's"
  validation {
    condition     = var.partitions <= 1024
    error_message = "${var.partitions} partitions are more than this cluster is meant to hold"
  }
}

variable "source_writes" {
  type        = string
  default     = "fenced"
  description = "fenced: writes are rejected for the copy; catch_up: for the comparison only"
  validation {
    condition     = contains(["fenced", "catch_up"], var.source_writes)
    error_message = "this example keeps no promise with source_writes = ${var.source_writes}"
  }
}

cluster "east" {
  meta_servers = var.east_meta_servers
}

cluster "west" {
  meta_servers = var.west_meta_servers
}

migration "orders" {
  source {
    cluster = cluster.east
    table   = var.table
  }

  target {
    cluster         = cluster.west
    partition_count = var.partitions
    # table, replica_count and envs are the source's unless they are given here.
  }

  method "copy" {
    # With "fenced" the writes of clients are rejected, proven on every partition, while rows are
    # copied and compared, with "catch_up" only while they are compared; reads go on.
    source_writes = var.source_writes

    # Rows of some users, without their expiry; README.md lists all options.
    # hash_key = "prefix:user_"
    # keep_ttl = false
  }

  limits {
    write_reject     = "2h"   # the fence is lifted before it has been up for longer
    rows_per_second  = 200000 # leaves the rest of both clusters to their clients
    bytes_per_second = "128MiB"
  }

  after {
    # Clients are sent to west by hand, so east must not take writes again by itself.
    source = "keep_fenced"
  }

  # `apply` stops before the first row moves and waits for `apply -approve copy`. With "catch_up" it
  # stops again before the fence goes up.
  approve = var.source_writes == "catch_up" ? ["copy", "fence"] : ["copy"]
}
