cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}

migration "orders" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    envs = {
      defualt_ttl                                = "0"
      default_ttl                                = "-1"
      "replica.deny_client_request"              = "reconfig*write"
      "manual_compact.once.trigger_time"         = "1700000000"
      "duplication.master_cluster"               = "x"
      "duplication.new_one"                      = "x"
      "restore.backup_id"                        = "1"
      "business.info"                            = "mine"
      "max_replica_count.update"                 = "3"
      "replica.write_throttling"                 = "20000"
      "replica.read_throttling"                  = "20000*delay*100,10*delay*1"
      "replica.backup_request_throttling"        = "20X*reject*100"
      "replica.write_throttling_by_size"         = "20M*refuse*100"
      "replica.read_throttling_by_size"          = "fast"
      "replica.slow_query_threshold"             = 19
      "replica.rocksdb_block_cache_enabled"      = "yes"
      "rocksdb.usage_scenario"                   = "fast"
      "rocksdb.write_buffer_size"                = 1024
      "rocksdb.num_levels"                       = 11
      "manual_compact.periodic.trigger_time"     = "25:00"
      "manual_compact.periodic.target_level"     = "0"
      "manual_compact.periodic.bottommost_level_compaction" = "no"
      user_specified_compaction                  = "{"
      nothing_like_it_at_all                     = "x"
      "rocksdb.allow_ingest_behind"              = ["x"]
      "manual_compact.disabled"                  = null
    }
  }
  method "copy" {

  }

}

migration "orders2" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table = "x"
    envs  = "default_ttl=0"
  }
  method "copy" {

  }

}

migration "orders3" {
  source {
    cluster = cluster.east
    table   = "orders"
  }
  target {
    cluster = cluster.west
    table = "y"
    envs  = { replica.slow_query_threshold = 30 }
  }
  method "copy" {

  }

}
