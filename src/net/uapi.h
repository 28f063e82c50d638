// The constants of the socket interface (AF_INET, SOL_SOCKET, MSG_PEEK, TCP_NODELAY, POLLIN ...) as programs know them.
// They come from the C library's headers; nothing declared there is called from here.
#pragma once
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace glass {
inline constexpr int SIOCINQ = 0x541B, SIOCOUTQ = 0x5411, SIOCOUTQNSD = 0x894B;  // linux/sockios.h
inline constexpr int TCP_RTO_MAX_MS = 44, TCP_RTO_MIN_US = 45;
inline constexpr int kTcpUlp = 31;  // linux/tcp.h beyond glibc's netinet/tcp.h
}  // namespace glass
