cluster "east" {
  meta_servers = ["10.0.0.1:34601", "10.0.0.2:34601"]
}
cluster "west" {
  meta_servers = ["10.1.0.1:34601"]
}
variable "count" {
  type    = number
  default = "many"
}
variable "kind" {
  type = strng
}
variable "must" {
  type        = number
  description = ["x"]
}
variable "flag" {
  sensitive = "maybe"
  default   = var.must
  defualt   = 1
}
variable "unset" {
  type = number
}
variable "uses_unset" {
  default = 3
  validation {
    condition     = var.unset > 3
    error_message = "silent: unset has been told"
  }
}
variable "bounded" {
  type    = number
  default = 12
  validation {
    condition     = var.bounded <= 8
    error_message = "at most 8, not ${var.bounded}"
  }
  validation {
    condition     = "yes"
    error_message = "never seen"
  }
  validation {
    condition     = true
    error_message = ["x"]
  }
}
variable "half" {
  default = 1
  validation {
    condition = true
  }
}
