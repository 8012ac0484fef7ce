#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

/// Both ends of the control socket ask who is at the other.
namespace driftd::daemon {

struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
};

/// As it was when the connection was made (SO_PEERCRED).
std::optional<Peer> peer_of(int socket);

/// Root, or this process's own user.
bool is_trusted(const Peer& peer);

/// connect(2) to a Unix socket at that path: 0, or -1 with errno; ENAMETOOLONG for what no address can hold.
int connect_to(int socket, const std::string& path);

}  // namespace driftd::daemon
