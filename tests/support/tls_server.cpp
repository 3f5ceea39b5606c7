#include "tests/support/tls_server.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

namespace llmops::test {

struct TlsServer::State {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
  SSL_CTX* context = nullptr;
  ~State() {
    SSL_CTX_free(context);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
};

namespace {

void must(bool done, const char* what) {
  if (!done) throw std::runtime_error(what);
}

X509* self_signed(EVP_PKEY* key, const std::string& host) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  const std::string names = "IP:" + host;
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
  must(extension != nullptr, "subject alternative name");
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  must(X509_sign(certificate, key, EVP_sha256()) > 0, "signature");
  return certificate;
}

std::string pem_of(X509* certificate) {
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(memory, certificate);
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  std::string pem(text, static_cast<size_t>(size));
  BIO_free(memory);
  return pem;
}

}  // namespace

TlsServer::TlsServer(const std::string& host) : state_(std::make_unique<State>()) {
  std::signal(SIGPIPE, SIG_IGN);
  state_->key = EVP_EC_gen("P-256");
  must(state_->key != nullptr, "key");
  state_->certificate = self_signed(state_->key, host);
  certificate_pem_ = pem_of(state_->certificate);
  state_->context = SSL_CTX_new(TLS_server_method());
  must(SSL_CTX_use_certificate(state_->context, state_->certificate) == 1 && SSL_CTX_use_PrivateKey(state_->context, state_->key) == 1, "context");
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 && ::listen(listener_, 8) == 0, "listen");
  socklen_t size = sizeof(address);
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

TlsServer::~TlsServer() {
  ended_ = true;
  thread_.join();
  ::close(listener_);
}

void TlsServer::serve() {
  while (!ended_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) continue;
    const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    SSL* session = SSL_new(state_->context);
    SSL_set_fd(session, connection);
    if (SSL_accept(session) == 1) {
      char buffer[4096];
      if (SSL_read(session, buffer, sizeof(buffer)) > 0) {
        static const std::string kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        SSL_write(session, kAnswer.data(), static_cast<int>(kAnswer.size()));
        ++answered_;
      }
      SSL_shutdown(session);
    }
    SSL_free(session);
    ::close(connection);
  }
}

}  // namespace llmops::test
