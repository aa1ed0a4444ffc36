// Package backup reads cold backups of Pegasus tables from a block store, and writes what a bulk load takes in.
//
// A cold backup of one table lies in a folder of this form (src/common/backup_common.cpp of 2.5.0):
//
//	[<backup_path>/]<cold_backup_root>[/<policy>]/<backup_id>/
//	    backup_info                                        written last: the backup is finished
//	    <app_name>_<app_id>/meta/app_metadata
//	    <app_name>_<app_id>/<partition>/current_checkpoint  written last of a partition: the name of the next folder
//	    <app_name>_<app_id>/<partition>/chkpt_<host>_<port>/backup_metadata and the files that it lists
//
// [Read] takes in everything but the files' content and refuses what is not whole; [Verify] reads the content too. Nothing
// is to be built on a backup before both went through.
//
// The input of a bulk load lies in <remote_root_path>/<cluster_name>/<app_name>: a bulk_load_info, and per partition a
// folder with a bulk_load_metadata and the files that it lists. [BulkLoad] writes them, the info last.
//
// Every error is an [*Error] of this package or a [*blobstore.Error]; both have stable codes and name the path.
package backup
