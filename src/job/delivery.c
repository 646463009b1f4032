#include "job/delivery.h"
