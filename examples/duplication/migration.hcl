# Moves the table "orders" from cluster east to cluster west while clients read and write it: the
# servers ship rows and writes, then clients are led over by one change of a MetaProxy's route. See
# README.md beside this file.

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

variable "zookeeper" {
  type        = list(string)
  description = "where the route records are; null for the ZooKeeper that cluster east itself uses"
  default     = null
}

variable "root" {
  type        = string
  description = "zookeeper.root in the configuration of the proxies"
  default     = "/pegasus-metaproxy"
}

variable "proxies" {
  type        = list(string)
  description = "every MetaProxy that clients of the table use"
  default     = ["10.3.0.1:34601", "10.3.0.2:34601"]
}

variable "traffic_proof" {
  type        = string
  description = "for how long clients have to be on west and not on east, without failures"
  default     = "2m"
}

variable "return_ticket" {
  type        = string
  description = "for how long after the switch `pegmigrate rollback` can lead clients back, like \"24h\"; null for no way back"
  default     = null
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
    cluster = cluster.west
    # The servers create the table: with the source's name, partitions, replicas and envs.
  }

  method "duplication" {
    # What a damaged log block on the source leads to. slow: wait for a person; skip: lose it and
    # go on; fast: end the server.
    fail_mode = "slow"
    # What a rollback makes of the table on west: it stays, to be looked at.
    drop_follower = false
    # With one, apply holds the migration until its time is up; east takes writes for so long.
    return_ticket = var.return_ticket
  }

  cutover {
    lag_threshold = 10000 # the fence does not go up while a partition is further behind

    metaproxy {
      zookeeper = var.zookeeper
      root      = var.root
      proxies   = var.proxies
    }

    traffic_proof = var.traffic_proof
  }

  limits {
    write_reject     = "5m"   # the fence is lifted before it has been up for longer
    rows_per_second  = 200000 # of the comparison; shipping has the servers' own pace
    bytes_per_second = "64MiB"
  }

  verify {
    # Everything is compared while clients write; behind the fence only what was in flight then.
    when = "before_fence"
  }

  after {
    # A client that still has an address of east gets errors there, and does not write unseen.
    source = "keep_fenced"
  }

  # `apply` stops twice: before anything is changed, and before the fence goes up.
  approve = ["clients", "cutover"]
}
