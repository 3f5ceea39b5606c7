// One HTTPS server on 127.0.0.1 with a certificate made for the occasion: enough to see who is believed.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace llmops::test {

class TlsServer {
 public:
  // The certificate names `host` (an IP address) and is signed by itself.
  explicit TlsServer(const std::string& host);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/"; }
  const std::string& certificate_pem() const { return certificate_pem_; }
  int answered() const { return answered_; }

 private:
  struct State;
  void serve();
  std::unique_ptr<State> state_;
  std::string certificate_pem_;
  int port_ = 0, listener_ = -1;
  std::atomic<bool> ended_{false};
  std::atomic<int> answered_{0};
  std::thread thread_;
};

}  // namespace llmops::test
