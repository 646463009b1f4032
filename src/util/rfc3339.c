#include "util/rfc3339.h"
