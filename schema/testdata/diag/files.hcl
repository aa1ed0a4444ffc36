# The methods that go through files, with everything that can be wrong.
cluster "east" {
  meta_servers = ["10.0.0.1:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}

provider "local" {
  type = "local_service"
  args = "/mnt/pegasus backup"
  user = "pegasus"
}
provider "relative" {
  type = "local_service"
  args = "backup"
}
provider "hdfs" {
  type       = "hdfs_service"
  args       = "hdfs://10.4.0.1:8020 /pegasus"
  name       = "block service"
  name_nodes = ["10.4.0.1:99999", "10.4.0.2", "10.4.0.2:8020"]
}
provider "other" {
  type = "hdfs_service"
  args = "hdfs://10.4.0.1:8020 /elsewhere /more"
}
provider "elsewhere" {
  type = "hdfs_service"
  args = "hdfs://10.4.0.1:8020 /elsewhere"
}
provider "fds" {
  type = "fds_service"
  args = ""
}
provider "fds" {
  args = ""
}

migration "restore" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster   = cluster.west
    if_exists = "merge"
  }
  method "backup_restore" {
    provider        = provider.hdfs
    target_provider = provider.elsewhere
    backup_path     = "migrations"
    staging         = "x"
    drop_expired    = true
    fail_mode       = "slow"
    source_writes   = "catch_up"
  }
  cutover {
  }
  after {
    source = "drop"
  }
  approve = ["unfence", "bakcup"]
}

migration "load" {
  source {
    cluster = cluster.east
    table   = "carts"
    backup {
      path   = "east/latest"
      app_id = 0
      table  = "carts"
    }
  }
  target {
    cluster = cluster.west
  }
  method "backup_bulk_load" {
    provider           = "hdfs"
    target_provider    = cluster.west
    backup_path        = "/a/../b"
    cold_backup_root   = ""
    adopt_max_age      = "1h"
    staging            = "with space"
    compression        = "gzip"
    file_size          = "1KiB"
    parallel           = 0
    skip_bad_partition = true
    source_writes      = "fenced"
  }
}

migration "no_provider" {
  source {
    cluster = cluster.east
    table   = "users"
  }
  target {
    cluster   = cluster.west
    if_exists = "resume_empty"
  }
  method "dual_write" {
    provider = provider.nothing
  }
  limits {
    in_flight    = 10
    write_reject = "1m"
    window       = ["22:00-06:00"]
  }
  after {
    source  = "drop"
    reserve = "9999d"
  }
}

migration "backup_of_copy" {
  source {
    backup {
      path   = "1779430000000"
      app_id = 14
      table  = "users"
    }
  }
  target {
    cluster = cluster.west
    table   = "users2"
  }
  method "copy" {
    provider           = provider.hdfs
    skip_bad_partition = true
  }
}
