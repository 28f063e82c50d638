// An ordered tree of packets over the red-black tree of Boost.Intrusive; the link sits in the sk_buff, nothing is
// allocated. TCP's out-of-order queue is one. Keys are sequence numbers, so the caller brings the comparison and the
// search.
#pragma once
#include <boost/intrusive/rbtree_algorithms.hpp>

#include "skb/skb.h"

namespace glass {

struct SkbTreeTraits {
  using node = sk_buff;
  using node_ptr = sk_buff*;
  using const_node_ptr = const sk_buff*;
  using color = uint8_t;
  static sk_buff* of(rb_node* n) { return reinterpret_cast<sk_buff*>(n); }  // rb is the first member
  static rb_node* as(sk_buff* s) { return reinterpret_cast<rb_node*>(s); }  // null stays null
  static node_ptr get_parent(const_node_ptr n) { return of(n->rb.parent); }
  static void set_parent(node_ptr n, node_ptr p) { n->rb.parent = as(p); }
  static node_ptr get_left(const_node_ptr n) { return of(n->rb.left); }
  static void set_left(node_ptr n, node_ptr p) { n->rb.left = as(p); }
  static node_ptr get_right(const_node_ptr n) { return of(n->rb.right); }
  static void set_right(node_ptr n, node_ptr p) { n->rb.right = as(p); }
  static color get_color(const_node_ptr n) { return n->tree_color; }
  static void set_color(node_ptr n, color c) { n->tree_color = c; }
  static color black() { return 1; }
  static color red() { return 0; }
};

}  // namespace glass
