#include "intake/framing.h"
