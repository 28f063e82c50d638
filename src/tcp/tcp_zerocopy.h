// MSG_ZEROCOPY: the caller keeps its memory unchanged until a completion on the error queue names the call. The stack
// copies all the same (Linux does over loopback and TUN), and says so: SO_EE_CODE_ZEROCOPY_COPIED.
//
// Calls are numbered; calls that share unsent segments complete together, as one range. What Linux would pin page by
// page becomes one fragment a page here too, so that segments end where they do there.
#pragma once
#include <cstdint>
#include <deque>

#include "tcp/tcp_sock.h"

namespace glass {

struct tcp_zerocopy {
  struct Calls {
    uint32_t id, len;  // the first one's number, how many
    uint32_t bytelen;  // bytes of all of them
    Seq end_seq;       // of what was queued for them
    bool queued;       // anything at all
  };
  std::deque<Calls> pending;  // in the order of sequence numbers
};

// A call begins. It may join those whose data is still unsent. False: no memory for its report.
[[nodiscard]] bool tcp_zerocopy_begin(tcp_sock*, size_t size);
// May data of the call under way go into this segment? One segment belongs to one set of calls.
bool tcp_zerocopy_may_append(const tcp_sock*, const sk_buff*);
void tcp_zerocopy_appended(tcp_sock*, sk_buff*);
// The call is over; nothing of it was queued: its number is free again.
void tcp_zerocopy_end(tcp_sock*, bool anything);
// A segment with such data, ending at `end_seq`, is done with; or all of them are.
void tcp_zerocopy_skb_done(tcp_sock*, Seq end_seq);
void tcp_zerocopy_purge(tcp_sock*);

}  // namespace glass
