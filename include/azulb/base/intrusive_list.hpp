// A doubly linked list whose links live in its members: no allocation, removal in constant time from
// anywhere.
#pragma once

#include <cstddef>

#include "azulb/base/assert.hpp"

namespace azulb::base {

/// A member's link. A type that stands in several lists derives from several `ListNode<Tag>`.
template <typename Tag = void>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const { return next_ != nullptr; }

  /// Leaves whatever list it is in; nothing happens if it is in none.
  void unlink() {
    if (next_ == nullptr) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  template <typename, typename>
  friend class IntrusiveList;
  ListNode* previous_ = nullptr;
  ListNode* next_ = nullptr;
};

/// T derives from ListNode<Tag>. The list does not own its members; it must be empty when it is destroyed or
/// `clear()`ed (members unlink themselves).
template <typename T, typename Tag = void>
class IntrusiveList {
 public:
  using Node = ListNode<Tag>;

  IntrusiveList() { head_.previous_ = head_.next_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (!empty())
      head_.next_->unlink();
    head_.previous_ = head_.next_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  T& front() { return static_cast<T&>(*head_.next_); }
  T& back() { return static_cast<T&>(*head_.previous_); }

  void push_back(T& member) { insert(static_cast<Node&>(member), *head_.previous_); }
  void push_front(T& member) { insert(static_cast<Node&>(member), head_); }

  T& pop_front() {
    AZULB_ASSERT(!empty());
    T& member = front();
    static_cast<Node&>(member).unlink();
    return member;
  }

  /// Moves every member of `other` to the end of this list.
  void take_all(IntrusiveList& other) {
    while (!other.empty())
      push_back(other.pop_front());
  }

  /// The first member that `wanted(member)` is true for, or null.
  template <typename Wanted>
  T* find(Wanted wanted) {
    for (Node* node = head_.next_; node != &head_; node = node->next_) {
      AZULB_ASSERT(node != nullptr);
      if (wanted(static_cast<T&>(*node))) return static_cast<T*>(node);
    }
    return nullptr;
  }

  /// Calls `visit(member)` for each; `visit` may unlink the member it is given and no other.
  template <typename Visit>
  void for_each(Visit visit) {
    for (Node* node = head_.next_; node != &head_;) {
      Node* next = node->next_;
      visit(static_cast<T&>(*node));
      node = next;
    }
  }

 private:
  void insert(Node& node, Node& after) {
    AZULB_ASSERT(!node.linked());
    node.previous_ = &after;
    node.next_ = after.next_;
    after.next_->previous_ = &node;
    after.next_ = &node;
  }

  Node head_;
};

}  // namespace azulb::base
