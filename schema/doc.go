// Package schema reads the configuration language of pegmigrate into typed, checked migrations. It
// is pure: it reads the files it is given and nothing else, neither network, clock nor process
// environment.
//
// # The language
//
// The *.hcl files of a folder form one configuration; hidden files and *.pegvars.hcl are left out.
// A block with more than one argument takes one line per argument: that is HCL's rule.
//
//	variable "target_partitions" {
//	  type        = number        # string, number, bool, list(T), set(T), map(T), object({...}), any
//	  default     = 64            # without it, a value must be given
//	  description = "..."
//	  sensitive   = false         # true: its value is blotted out in diagnostics
//	  validation {
//	    condition     = var.target_partitions <= 1024
//	    error_message = "too many: ${var.target_partitions}"
//	  }
//	}
//
//	locals {
//	  name = "orders"             # any expression, in any order, no circles
//	}
//
//	cluster "east" {              # the label is local to the configuration
//	  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
//	}
//
//	migration "orders" {          # the name becomes the name of the state file
//	  source {
//	    cluster = cluster.east
//	    table   = local.name
//	  }
//	  target {
//	    cluster         = cluster.west
//	    table           = "orders"                # default: the source's
//	    partition_count = var.target_partitions   # a power of two; default: the source's
//	    replica_count   = 3                       # default: the source's
//	    envs            = { default_ttl = "0" }   # over the carried ones; null: do not carry it
//	    if_exists       = "fail"                  # fail | resume_empty | merge
//	  }
//	  method "copy" {
//	    source_writes = "stopped"                 # stopped | fenced | accepted | catch_up
//	  }
//	  limits {                                    # each may be left out: no limit
//	    write_reject     = "90s"                  # how long a fence may reject writes
//	    rows_per_second  = 200000
//	    bytes_per_second = "64MiB"
//	    in_flight        = 512                    # unacknowledged writes, up to 65536
//	  }
//	  verify {
//	    mode = "full"                             # full | sample | count | off
//	  }
//	  after {                                     # with method copy only beside "fenced" and "catch_up"
//	    source = "unfence"                        # unfence | keep_fenced
//	  }
//	  approve = ["copy"]                          # gates that wait for a person: copy, unfence; fence with catch_up
//	}
//
//	migration "some_orders" {     # which rows are copied, what of them, and how: each may be left out
//	  source {
//	    cluster = cluster.east
//	    table   = "orders"
//	  }
//	  target {
//	    cluster = cluster.west
//	    table   = "some_orders"
//	  }
//	  method "copy" {
//	    partitions            = [0, 3]            # of the source; default: all
//	    hash_key              = "prefix:user_"    # anywhere: | prefix: | postfix: | exact: and a pattern
//	    sort_key              = "exact:name"
//	    value                 = "anywhere:xyz"
//	    keep_ttl              = true              # false: rows arrive without their expiry
//	    overwrite             = "always"          # always | never | never_unatomic: rows that the target has
//	    copy_value            = true              # false: keys with empty values
//	    multi_set             = "auto"            # auto | on | off: rows of a hash key in one request
//	    multi_set_rows        = 500               # of one multi_set, from 2 to 10000
//	    multi_set_concurrency = 20                # multi_sets in flight per source partition, up to 1024
//	    scan_batch            = 1000              # rows of one scan request, up to 1000
//	    timeout               = "5s"              # of one request, from 100ms to 10m
//	    geo {                                     # also the index of positions, some_orders_geo
//	      latitude_index  = 5                     # pieces of the value between '|', from 0 on
//	      longitude_index = 4
//	      min_level       = 12                    # S2 level of its hash keys, up to 29
//	      on_undecodable  = "fail"                # fail | skip: rows without a position
//	    }
//	  }
//	  limits {                                    # these two hold rows, so they exclude "fenced"
//	    window = ["22:00-06:00 Asia/Shanghai"]    # when rows may move, daily; without a zone UTC
//	    stop_if {                                 # rows stop until it is better
//	      source_p99          = "50ms"            # of requests, as the servers measure them
//	      target_p99          = "100ms"
//	      disk_free           = "15%"             # of the target's fullest server
//	      pending_compaction  = "64GiB"           # of the target
//	      failures_per_second = 10                # of requests to both tables, clients' as well
//	    }
//	  }
//	  verify {
//	    mode   = "sample"
//	    sample = "1%"                             # of the rows, drawn at random; default: 1%
//	  }
//	}
//
//	migration "users" {           # the servers ship rows and writes, clients go on meanwhile
//	  source {
//	    cluster = cluster.east
//	    table   = "users"
//	  }
//	  target {                                    # counts and envs as above; if_exists can only be "fail"
//	    cluster = cluster.west
//	  }
//	  method "duplication" {
//	    fail_mode     = "slow"                    # slow | skip | fast: what damaged log blocks lead to
//	    drop_follower = false                     # true: a rollback drops the table that was made
//	    return_ticket = "24h"                     # rollback leads clients back until then; default: not
//	  }
//	  limits {
//	    write_reject     = "3m"                   # the budget of the whole cut-over
//	    rows_per_second  = 200000                 # both bound the comparison
//	    bytes_per_second = "64MiB"
//	  }
//	  cutover {
//	    lag_threshold = 10000                     # outstanding mutations per partition
//	    traffic_proof = "2m"                      # how long both clusters are watched after the switch
//	    metaproxy {                               # without it, clients are moved by hand
//	      zookeeper = ["10.2.0.1:2181"]           # default: the source cluster's own
//	      root      = "/pegasus-metaproxy"        # zookeeper.root of the proxies
//	      proxies   = ["10.3.0.1:34601"]          # every one of them
//	    }
//	  }
//	  verify {
//	    mode = "full"                             # full | off
//	    when = "before_fence"                     # before_fence | in_window
//	  }
//	  after {
//	    source  = "drop"                          # keep_fenced | unfence | drop; default: keep_fenced
//	    reserve = "7d"                            # how long a dropped table can be recalled
//	  }
//	  approve = ["clients", "cutover"]            # with "drop", complete is a gate undeclared
//	}
//
//	provider "hdfs_main" {        # a block store, as the servers' section [block_service.hdfs_main] says
//	  type       = "hdfs_service"                 # hdfs_service | local_service
//	  args       = "hdfs://10.4.0.1:8020 /pegasus" # the section's args line; of local_service one path
//	  name       = "hdfs_main"                    # the section's suffix; default: the label
//	  name_nodes = ["10.4.0.1:8020"]              # HDFS with a standby; default: the one in args
//	  user       = "pegasus"                      # HDFS; default: who runs pegmigrate
//	}
//
//	migration "carts" {           # a cold backup, restored by the target's servers: same counts
//	  source {
//	    cluster = cluster.east
//	    table   = "carts"
//	  }
//	  target {
//	    cluster = cluster.west
//	  }
//	  method "backup_restore" {
//	    provider           = provider.hdfs_main
//	    target_provider    = provider.hdfs_main   # the target's section for the same store; default: provider
//	    cold_backup_root   = "east"               # of the source's replica servers; default: they are asked
//	    adopt_max_age      = "6h"                 # a finished backup may be so old; default: make one
//	    skip_bad_partition = false                # true: what is damaged comes up empty
//	    source_writes      = "stopped"            # stopped | fenced | accepted
//	  }
//	  limits {
//	    send_rate {                               # of each server, from the first bytes on; HDFS only
//	      start = "50MB"
//	      step  = "50MB"
//	      max   = "200MB"
//	      every = "5m"
//	    }
//	  }
//	  approve = ["backup"]                        # backup, unfence
//	}
//
//	migration "old_carts" {       # one backup, many restores: its table and cluster may be gone
//	  source {
//	    backup {
//	      path   = "east/1779430000000"           # [<backup_path>/]<cold_backup_root>/<backup_id>
//	      app_id = 14
//	      table  = "carts"
//	    }
//	  }
//	  target {
//	    cluster         = cluster.west
//	    table           = "old_carts"
//	    partition_count = 16                      # backup_bulk_load takes any
//	  }
//	  method "backup_bulk_load" {
//	    provider     = provider.hdfs_main
//	    staging      = "pegmigrate"               # folder for the files to load, below the target provider's root
//	    compression  = "lz4"                      # none | snappy | lz4 | zstd
//	    file_size    = "64MiB"
//	    drop_expired = false
//	    parallel     = 4                          # default: the cores of this machine
//	  }
//	}
//
//	migration "baskets" {         # clients write both tables; the backup is loaded behind their writes
//	  source {
//	    cluster = cluster.east
//	    table   = "baskets"
//	  }
//	  target {
//	    cluster = cluster.west
//	  }
//	  method "dual_write" {
//	    provider    = provider.hdfs_main
//	    staging     = "pegmigrate"
//	    compression = "lz4"
//	  }
//	  after {
//	    source = "keep_fenced"                    # keep_fenced | drop; default: left as it is
//	  }
//	  approve = ["cutover"]                       # the gate dual_write is always there
//	}
//
// A backup_path, a folder of its own for the backup, goes beside provider; servers refuse it on an HDFS whose args have
// a root. A null argument is one that is absent. Behind a metaproxy block the target keeps the source's name;
// a return ticket needs such a block, and `pegmigrate complete` ends it early.
//
// Patterns of hash_key, sort_key and value are compared byte by byte. In them \xHH is a byte and \\ a
// backslash; in the quotes of HCL each of these backslashes is written twice. A pattern with characters that
// can be composed in two ways is better written in bytes: HCL composes them.
//
// overwrite = "never" leaves rows alone that the target has, by check_and_set, which servers refuse on a table that
// is being duplicated; "never_unatomic" reads and then writes, so that a row which a client writes in between is
// written over. Neither goes with multi_set = "on", whose requests have no condition, and copy_value = false not
// with a filter of values.
//
// A geo block makes the index that Pegasus' geo client keeps beside a table, in a table of the target's name and
// "_geo", which must be absent. It is made from the target's rows when they are proven. Its arguments are those of
// section [geo_client.lib] of the clients, whose defaults are the ones shown. It goes neither with copy_value = false
// nor with if_exists = "merge".
//
// With source_writes = "catch_up" clients write while rows are copied; then their writes are rejected for as
// long as it takes to compare both tables and to copy what differs, deletes included, within
// limits.write_reject. It makes the target equal to the source: if_exists = "merge", an overwrite and another
// verify.mode than "full" are refused beside it. Behind the fence nothing waits for a window or for stop_if.
//
// Of the language but not of this release, and refused with that answer: source_writes = "catch_up" with a backup;
// with other methods than copy verify.mode "sample" and "count", limits.window and limits.stop_if; after.source =
// "drop" with the methods copy, backup_restore and backup_bulk_load; limits.send_rate with method copy. A
// setting that a method cannot honour is an error, never ignored.
//
// # Values
//
// Sizes are numbers of bytes or texts: "64MiB", "1GiB" count in 1024s, "50MB", "50M", "1GB" in
// 1000s. Spans of time are texts: "90s", "1h30m", "7d"; a day has 24 hours. Addresses are host:port
// with a host name or an IPv4 address. Numbers in quotes are numbers.
//
// Variables take their values from, the last one winning: the default, PEGMIGRATE_VAR_name in the
// environment, the -var-file files in order (NAME = VALUE lines), -var NAME=VALUE. Values from the
// command line and the environment are plain text where the type is string or absent, and
// expressions of constants ("7", "[\"a\", \"b\"]") otherwise.
//
// # Functions
//
// env(NAME) and env(NAME, DEFAULT) read the environment; file(PATH) reads text, relative to the
// configuration's folder. The rest is go-cty's standard library:
//
//	numbers    abs ceil floor log max min parseint pow signum
//	text       chomp format formatlist join lower regex regexall replace split strrev substr
//	           title trim trimprefix trimspace trimsuffix upper
//	lists      chunklist coalesce coalescelist compact concat contains distinct element flatten
//	           index keys length lookup merge range reverse setintersection setsubtract setunion
//	           slice sort values zipmap
//	encodings  csvdecode jsondecode jsonencode
//	types      can tobool tolist tomap tonumber toset tostring try
//
// # Mistakes
//
// Every mistake is an hcl.Diagnostic with the place in the file and an Extra with a stable code
// (PM1xxx, listed by Codes) and a hint. All mistakes are told at once; what follows from one that
// was told stays silent.
package schema
