#include "verify/sign.h"
