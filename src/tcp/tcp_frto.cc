// After a time-out: was it spurious? F-RTO (RFC 5682, with SACK if there is one) sends new data instead of repeating
// everything, and lets the next ACKs tell.
#include "tcp/tcp_internal.h"

namespace glass {

namespace {

enum class Frto { undecided, spurious, try_new_data };

Frto step(tcp_sock* tp, uint32_t flag, uint32_t num_dupack, bool recovered) {
  // Step 3b: something that was never sent again has arrived, so not everything was lost.
  if ((flag & FLAG_ORIG_SACK_ACKED) && tcp_try_undo_loss(tp, true)) return Frto::spurious;
  if (after(tp->snd_nxt, tp->high_seq)) {
    if ((flag & FLAG_DATA_SACKED) || num_dupack) tp->frto = false;  // step 3a: the loss was real
  } else if ((flag & FLAG_SND_UNA_ADVANCED) && !recovered) {
    tp->high_seq = tp->snd_nxt;
    // Step 2b: new data, if there is any and the peer takes it.
    if (!tp->sk_write_queue.empty() && after(tcp_wnd_end(tp), tp->snd_nxt)) return Frto::try_new_data;
    tp->frto = false;
  }
  return Frto::undecided;
}

}  // namespace

Rexmit tcp_process_loss(tcp_sock* tp, uint32_t flag, uint32_t num_dupack) {
  const bool recovered = !before(tp->snd_una, tp->high_seq);
  if ((flag & FLAG_SND_UNA_ADVANCED) && tcp_try_undo_loss(tp, false)) return Rexmit::none;
  if (tp->frto) {
    const Frto result = step(tp, flag, num_dupack, recovered);
    if (result == Frto::spurious) return Rexmit::none;
    if (result == Frto::try_new_data) return Rexmit::new_data;
  }
  if (recovered) {
    tcp_try_undo_recovery(tp);
    return Rexmit::none;
  }
  if (tcp_is_reno(tp)) {
    // A duplicate ACK answers the new data of step 2b; any other progress makes the count void.
    if (after(tp->snd_nxt, tp->high_seq) && num_dupack)
      tcp_add_reno_sack(tp, num_dupack, flag & FLAG_ECE);
    else if (flag & FLAG_SND_UNA_ADVANCED)
      tcp_reset_reno_sack(tp);
  }
  return Rexmit::lost;
}

}  // namespace glass
