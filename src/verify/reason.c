#include "verify/reason.h"
