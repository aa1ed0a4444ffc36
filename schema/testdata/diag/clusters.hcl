cluster "none" {
  meta_servers = []
}
cluster "text" {
  meta_servers = "10.0.0.1:34601"
}
cluster "mixed" {
  meta_servers = ["10.0.0.1", "10.0.0.1:x", "10.0.0.1:0", "10.0.0.1:70000", ":34601", "a:b:1", "[::1]:34601",
    "10.0.0.256:34601", "no spaces:1", "", "http://10.0.0.1:34601", ["x"], null, 5]
}
cluster "twice" {
  meta_servers = ["Meta1:34601", "meta1:034601"]
}
