// Asks an HTTP server over keep-alive connections, each on a thread of its own, and says how long answers took.
//
//   bench_http_load HOST PORT CONNECTIONS SECONDS FIELDS < TARGETS
//
// TARGETS: one a line, asked in turn and over again. FIELDS: further lines of each request's head, "" for none.
// Prints one JSON object. Says nothing about good or bad.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Tally {
  std::vector<double> millis;
  std::size_t bytes = 0;
  std::size_t failures = 0;  // no answer, or another status than 200 and 304
};

/// One connection; what it cannot do ends it.
class Client {
 public:
  Client(const std::string& host, std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    ::inet_pton(AF_INET, host.c_str(), &place.sin_addr);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    good_ =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0;  // NOLINT: as POSIX has it
    buffer_.resize(std::size_t{1} << 18);
  }
  ~Client() { ::close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool good() const { return good_; }

  /// The answer's status; 0 when the connection broke. Adds the body's bytes.
  int ask(const std::string& request, std::size_t& bytes) {
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return 0;
    std::size_t have = 0;
    std::string_view head;
    std::size_t head_end = std::string::npos;
    while (head_end == std::string::npos) {
      const ssize_t got = ::recv(socket_, buffer_.data() + have, buffer_.size() - have, 0);
      if (got <= 0) return 0;
      have += static_cast<std::size_t>(got);
      head = {buffer_.data(), have};
      head_end = head.find("\r\n\r\n");
    }
    int status = 0;
    std::from_chars(head.data() + 9, head.data() + 12, status);
    std::size_t length = 0;
    constexpr std::string_view kLength = "Content-Length: ";
    if (const std::size_t at = head.substr(0, head_end).find(kLength); at != std::string::npos)
      std::from_chars(head.data() + at + kLength.size(), head.data() + head_end, length);
    bytes += length;
    std::size_t left = length - (have - head_end - 4);
    while (left > 0) {
      const ssize_t got = ::recv(socket_, buffer_.data(), std::min(left, buffer_.size()), 0);
      if (got <= 0) return 0;
      left -= static_cast<std::size_t>(got);
    }
    return status;
  }

 private:
  int socket_;
  bool good_ = false;
  std::vector<char> buffer_;
};

double at_share(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(index, sorted.size() - 1)];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: bench_http_load HOST PORT CONNECTIONS SECONDS FIELDS < TARGETS\n");
    return 64;
  }
  const std::string host = argv[1];
  const auto number = [](const char* text) {
    long value = 0;
    std::from_chars(text, text + std::strlen(text), value);
    return value;
  };
  const auto port = static_cast<std::uint16_t>(number(argv[2]));
  const auto connections = static_cast<std::size_t>(number(argv[3]));
  const auto seconds = number(argv[4]);
  std::vector<std::string> requests;
  for (std::string line; std::getline(std::cin, line);) {
    std::string fields = argv[5];
    if (!fields.empty()) fields += "\r\n";
    requests.push_back("GET " + line + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields + "\r\n");
  }
  if (requests.empty() || connections == 0) return 64;

  std::atomic<std::size_t> next{0};
  std::vector<Tally> tallies(connections);
  std::vector<std::thread> threads;
  const auto start = Clock::now();
  const auto end = start + std::chrono::seconds(seconds);
  for (Tally& tally : tallies) {
    threads.emplace_back([&] {
      Client client(host, port);
      if (!client.good()) {
        ++tally.failures;
        return;
      }
      while (Clock::now() < end) {
        const auto asked = Clock::now();
        const int status = client.ask(requests[next.fetch_add(1) % requests.size()], tally.bytes);
        tally.millis.push_back(std::chrono::duration<double, std::milli>(Clock::now() - asked).count());
        if (status != 200 && status != 304) ++tally.failures;
        if (status == 0) return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();

  Tally all;
  for (const Tally& tally : tallies) {
    all.millis.insert(all.millis.end(), tally.millis.begin(), tally.millis.end());
    all.bytes += tally.bytes;
    all.failures += tally.failures;
  }
  std::sort(all.millis.begin(), all.millis.end());
  std::printf(
      "{\"requests\": %zu, \"failures\": %zu, \"per_second\": %.1f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": "
      "%.3f, "
      "\"max_ms\": %.3f, \"bytes_each\": %.0f}\n",
      all.millis.size(), all.failures, static_cast<double>(all.millis.size()) / elapsed, at_share(all.millis, 0.5),
      at_share(all.millis, 0.9), at_share(all.millis, 0.99), all.millis.empty() ? 0.0 : all.millis.back(),
      all.millis.empty() ? 0.0 : static_cast<double>(all.bytes) / static_cast<double>(all.millis.size()));
  return all.failures == 0 ? 0 : 1;
}
