# The methods that go through files, with everything that they take.
cluster "east" {
  meta_servers = ["10.0.0.1:34601"]
}

cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}

provider "local_service" {
  type = "local_service"
  args = "/mnt/pegasus/"
}

provider "hdfs" {
  type       = "hdfs_service"
  args       = "hdfs://nameservice1 /"
  name       = "hdfs_zjy"
  name_nodes = ["10.4.0.1:8020", "nn2.example.org"]
  user       = "pegasus"
}

migration "restore" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
  }
  method "backup_restore" {
    provider           = provider.hdfs
    backup_path        = "/migrations/orders/"
    cold_backup_root   = "east"
    adopt_max_age      = "6h"
    skip_bad_partition = true
    source_writes      = "fenced"
  }
  limits {
    write_reject = "2h"
    send_rate {
      start = "50MB"
      step  = "50MB"
      max   = "200MB"
      every = "5m"
    }
  }
  approve = ["unfence", "backup"]
}

migration "load" {
  source {
    backup {
      path   = "migrations/east/1779430000000"
      app_id = 14
      table  = "carts"
    }
  }
  target {
    cluster         = cluster.west
    partition_count = 16
  }
  method "backup_bulk_load" {
    provider        = provider.hdfs
    target_provider = provider.local_service
    staging         = "loads"
    compression     = "zstd"
    file_size       = "128MiB"
    drop_expired    = true
    parallel        = 3
  }
}

migration "dual" {
  source {
    cluster = cluster.east
    table   = "users"
  }
  target {
    cluster = cluster.west
  }
  method "dual_write" {
    provider = provider.local_service
  }
  after {
    source = "drop"
  }
}
