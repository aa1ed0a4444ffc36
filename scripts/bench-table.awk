# Makes a table of the lines that `go test -bench` prints: one row for each table that was copied and compared.
# -v what=rates or large

# group writes thousands apart.
function group(n,   s, out) {
  s = sprintf("%.0f", n)
  while (length(s) > 3) {
    out = "," substr(s, length(s) - 2) out
    s = substr(s, 1, length(s) - 3)
  }
  return s out
}

# round keeps three digits: more is noise.
function round(n,   f) {
  for (f = 1; n / f >= 1000; f *= 10) ;
  return group(int(n / f + 0.5) * f)
}

function metric(key, unit) { return (key, unit) in value ? value[key, unit] : 0 }

/^Benchmark/ {
  n = split($1, part, "/")
  sub(/-[0-9]+$/, "", part[n])
  key = ""
  for (i = 2; i < n; i++) key = key "/" part[i]
  if (!(key in known)) { known[key] = 1; keys[++count] = key }
  for (i = 3; i < NF; i += 2) value[key " " part[n], $(i + 1)] = $i
}

END {
  if (what == "rates") {
    print "| rows per hash key | value | partitions | copy: rows/s | **rows per client CPU second** | MB per client CPU second | compare: rows/s | **rows per client CPU second and side** | most memory, MB | sandbox: rows per CPU second, copy / compare |"
    print "|---|---|---|---|---|---|---|---|---|---|"
  } else {
    print "| rows | copy: rows/s | rows per client CPU second | most memory, MB | compare: rows/s | rows per client CPU second and side | most memory, MB |"
    print "|---|---|---|---|---|---|---|"
  }
  for (i = 1; i <= count; i++) {
    key = keys[i]; c = key " copy"; v = key " verify"
    split("", f)
    n = split(key, part, "/")
    for (j = 2; j <= n; j++) { split(part[j], kv, "="); f[kv[1]] = kv[2] }
    memory = metric(c, "peak-MB") > metric(v, "peak-MB") ? metric(c, "peak-MB") : metric(v, "peak-MB")
    if (what == "rates")
      printf "| %s | %s B | %s | %s | **%s** | %s | %s | **%s** | %.0f | %s / %s |\n", f["rows"], group(f["value"]), f["partitions"],
        round(metric(c, "rows/s")), round(metric(c, "rows/cpu-s")), round(metric(c, "MB/cpu-s")),
        round(metric(v, "rows/s")), round(metric(v, "rows/cpu-s")), memory,
        round(metric(c, "sandbox-rows/cpu-s")), round(metric(v, "sandbox-rows/cpu-s"))
    else
      printf "| %s | %s | %s | %.0f | %s | %s | %.0f |\n", group(f["rows"]), round(metric(c, "rows/s")), round(metric(c, "rows/cpu-s")),
        metric(c, "peak-MB"), round(metric(v, "rows/s")), round(metric(v, "rows/cpu-s")), metric(v, "peak-MB")
  }
  if (what == "large" && count == 2) {
    printf "\nTwice the rows took %.2f times as long to copy and %.2f times to compare.\n",
      2 * metric(keys[1] " copy", "rows/s") / metric(keys[2] " copy", "rows/s"), 2 * metric(keys[1] " verify", "rows/s") / metric(keys[2] " verify", "rows/s")
  }
}
