// Which hosts and socket addresses may be reached. Private to core/http: transport.h has the public part.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

namespace llmops {

// 127.0.0.0/8, ::1 and localhost, in any case. `host` as in UrlParts: without brackets.
bool is_loopback_host(std::string_view host);

// A literal address that clouds answer with credentials: 169.254.0.0/16 (also as 0xa9fea9fe, 2852039166 or mapped into
// IPv6) and fd00:ec2::254.
bool is_link_local_host(const std::string& host);

// The same two questions of an address that a name was resolved to.
bool is_loopback_address(const sockaddr* address);
bool is_link_local_address(const sockaddr* address);

}  // namespace llmops
