#pragma once
#include "cli/packetdrill/interface.h"

namespace glass::packetdrill {

void fill_in_calls(packetdrill_interface&);

}  // namespace glass::packetdrill
