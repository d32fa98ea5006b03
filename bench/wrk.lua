-- One line at the end: requests a second, the median in milliseconds, errors.
done = function(summary, latency, requests)
  local failures = summary.errors
  io.write(string.format("%.1f %.3f %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000,
    failures.connect + failures.read + failures.write + failures.status + failures.timeout))
end
