"""The codes: what the gateway calls its errors, with status and text, and what the native API behind it calls its own.

Sources: VSTART and VDOC:errors for the gateway (bitrix24-api 4.4), DOCS and CORE for the native codes (bitrix24-api 4.3).
"""

from __future__ import annotations

REQUIRED = 'templateId (number), entityType ("deal"|"lead"|"contact"|"company"), entityId (number)'

GATEWAY: dict[str, tuple[int, str, str]] = {
    "MISSING_PARAMS": (400, f"Required: {REQUIRED}", f"Обязательные поля: {REQUIRED}"),
    "VALIDATION_ERROR": (400, "The request is not valid", "Запрос не прошёл проверку"),
    "MISSING_API_KEY": (401, "X-Api-Key header is required", "Не передан заголовок X-Api-Key"),
    "INVALID_API_KEY": (401, "Invalid or expired API key", "Ключ API недействителен или истёк"),
    "INVALID_APP_KEY": (
        401,
        "vibe_app_ key needs Authorization: Bearer",
        "Ключу vibe_app_ нужен заголовок Authorization: Bearer",
    ),
    "INVALID_SESSION": (401, "Session not found", "Сессия не найдена"),
    "TOKEN_MISSING": (401, "The key has no connected Bitrix24 tokens", "К ключу не подключены токены Битрикс24"),
    "TOKEN_EXPIRED": (
        401,
        "Session expired, re-authorize via /v1/oauth/authorize",
        "Сессия истекла, авторизуйтесь заново через /v1/oauth/authorize",
    ),
    "SCOPE_DENIED": (403, "The key lacks the required scope", "У ключа нет нужного скоупа"),
    "BITRIX_ACCESS_DENIED": (403, "Bitrix24 denied access", "Битрикс24 отказал в доступе"),
    "OAUTH_REQUIRED": (403, "This endpoint needs an OAuth application", "Для этого метода нужна авторизация OAuth"),
    "WRITE_BLOCKED_READONLY_KEY": (403, "The key is read-only", "Ключ только для чтения"),
    "KEY_POLICY_READONLY_REQUIRED": (403, "The portal admits read-only keys only", "Портал допускает только ключи для чтения"),
    "MANAGEMENT_KEY_NO_ENTITY_ACCESS": (
        403,
        "Management keys have no access to entities",
        "Ключ управления не даёт доступа к данным",
    ),
    "MANAGEMENT_SCOPE_REQUIRED": (403, "A management scope is required", "Нужен скоуп управления"),
    "ENTITY_NOT_FOUND": (404, "Item not found", "Элемент не найден"),
    "ROUTE_NOT_FOUND": (404, "Route not found", "Маршрут не найден"),
    "BODY_TOO_LARGE": (413, "Request body is too large", "Тело запроса слишком большое"),
    "HEADERS_TOO_LARGE": (431, "Request headers are too large", "Заголовки запроса слишком большие"),
    "BITRIX_ERROR": (422, "Wrong DOCUMENT_ID!", "Wrong DOCUMENT_ID!"),
    "RATE_LIMITED": (429, "QUERY_LIMIT_EXCEEDED", "QUERY_LIMIT_EXCEEDED"),
    "ERROR_LOOP_DETECTED": (
        429,
        "The same request keeps failing with the same error",
        "Один и тот же запрос повторяется с одной и той же ошибкой",
    ),
    "INTERNAL_ERROR": (500, "Internal error", "Внутренняя ошибка"),
    "BITRIX_UNAVAILABLE": (502, "Bitrix24 is unavailable", "Битрикс24 недоступен"),
    "QUEUE_TIMEOUT": (504, "The request waited too long in the queue", "Запрос слишком долго ждал в очереди"),
}
"""Code → status, English text, Russian text."""

HINTS = {
    "RATE_LIMITED": "Wait 1-2 seconds and retry. Use POST /v1/batch to combine up to 50 calls in 1 request.",
    "OAUTH_REQUIRED": "Create an authorization key (vibe_app_) and sign in.",
}

RETRY_AFTER = {"RATE_LIMITED": 2.0, "QUEUE_TIMEOUT": 5.0}
"""``error.retryAfter`` of codes that carry one (VDOC:errors), unless a scenario says otherwise."""

NATIVE: dict[str, str] = {
    "OVERLOAD_LIMIT": "REST API is blocked due to overload.",
    "QUERY_LIMIT_EXCEEDED": "Too many requests",
    "OPERATION_TIME_LIMIT": "Method is blocked due to operation time limit.",
    "ACCESS_DENIED": "Access denied!",
    "INVALID_CREDENTIALS": "Invalid request credentials",
    "NO_AUTH_FOUND": "Wrong authorization data",
    "expired_token": "The access token provided has expired.",
    "invalid_token": "Unable to get application by token",
    "insufficient_scope": "The request requires higher privileges than provided by the access token",
    "PAYMENT_REQUIRED": "Payment required",
    "PORTAL_DELETED": "Portal was deleted",
    "METHOD_CONFIRM_WAITING": "Waiting for confirmation",
    "METHOD_CONFIRM_DENIED": "Method call denied",
    "ERROR_METHOD_NOT_FOUND": "Method not found!",
    "ERROR_WRONG_WORKFLOW_ID": "Template not found",
    "ERROR_ARGUMENT": "Argument is null or empty",
    "ERROR_CORE": "Internal error of the module",
    "INTERNAL_SERVER_ERROR": "Internal server error",
    "ERROR_UNEXPECTED_ANSWER": "Server returned an unexpected response",
}
"""Native codes as the gateway relays them in ``b24Code``; the texts stay English in every language."""

SIMULTANEOUS = {
    "en": "The limit of simultaneously running workflows on one document has been reached ({limit}).",
    "ru": "Превышено количество одновременно запущенных бизнес-процессов для документа ({limit}).",
}
"""CORE:CBPRuntime says it in the portal's language; the exact wording is unknown (bitrix24-api 7, 21)."""

NO_DOCUMENT = {
    "en": "The element was not found or access to it is denied.",
    "ru": "Элемент не найден или доступ к нему запрещён.",
}


def status_of(code: str) -> int:
    return GATEWAY[code][0]


def text_of(code: str, language: str) -> str:
    _, english, russian = GATEWAY[code]
    return russian if language == "ru" else english


NATIVE_ONLY: dict[str, str] = {
    "": "Wrong DOCUMENT_ID!",
    "INVALID_REQUEST": "Https required.",
    "APPLICATION_NOT_FOUND": "Application not found",
    "ERROR_OAUTH": "Application not installed",
    "WRONG_AUTH_TYPE": "Current authorization type is denied for this method",
    "authorization_error": "Unable to authorize user",
    "user_access_error": "The user does not have access to the application.",
    "allowed_only_intranet_user": "Allowed only for intranet users",
    "invalid_scope": "The request requires higher privileges than provided by the access token",
    "ERROR_MANIFEST_IS_NOT_AVAILABLE": "Manifest is not available",
    "ERROR_BATCH_METHOD_NOT_ALLOWED": "Method is not allowed for batch usage",
    "ERROR_BATCH_LENGTH_EXCEEDED": "Max batch length exceeded",
    "NOT_FOUND": "Smart process not found",
}
"""Codes that only native REST says itself; with those of ``NATIVE`` the names that a fault rule may use."""

_FIRST, _NEWER, _OLDER = range(3)
STATUS: dict[str, tuple[int, int, int]] = {
    "QUERY_LIMIT_EXCEEDED": (503, 503, 503),
    "OPERATION_TIME_LIMIT": (429, 429, 429),
    "OVERLOAD_LIMIT": (503, 401, 503),
    "ACCESS_DENIED": (403, 401, 400),
    "INVALID_CREDENTIALS": (401, 403, 401),
    "NO_AUTH_FOUND": (401, 401, 401),
    "expired_token": (401, 401, 401),
    "invalid_token": (401, 401, 401),
    "authorization_error": (401, 401, 401),
    "APPLICATION_NOT_FOUND": (401, 401, 401),
    "ERROR_OAUTH": (401, 401, 401),
    "WRONG_AUTH_TYPE": (403, 403, 401),
    "user_access_error": (401, 401, 401),
    "allowed_only_intranet_user": (401, 401, 401),
    "insufficient_scope": (403, 401, 403),
    "invalid_scope": (403, 401, 403),
    "METHOD_CONFIRM_WAITING": (401, 403, 401),
    "METHOD_CONFIRM_DENIED": (401, 403, 401),
    "PAYMENT_REQUIRED": (401, 402, 401),
    "PORTAL_DELETED": (500, 403, 410),
    "ERROR_MANIFEST_IS_NOT_AVAILABLE": (403, 404, 403),
    "ERROR_METHOD_NOT_FOUND": (404, 404, 404),
    "ERROR_BATCH_METHOD_NOT_ALLOWED": (405, 405, 405),
    "ERROR_CORE": (400, 400, 500),
    "INTERNAL_SERVER_ERROR": (500, 500, 500),
    "ERROR_UNEXPECTED_ANSWER": (500, 500, 500),
}
"""Code → status by the pages of August 2026, by newer pages, by older ones (bitrix24-api 4.3); 400 where a code is not here."""

DRIFTS = {"documented": _FIRST, "newer": _NEWER, "older": _OLDER}

THROTTLED = ("QUERY_LIMIT_EXCEEDED", "OPERATION_TIME_LIMIT")


def native_status(code: str, statuses: str) -> int:
    """Return the status of a native code; ``statuses``: which pages are right, or ``all_200``."""
    return 200 if statuses == "all_200" else STATUS.get(code, (400, 400, 400))[DRIFTS[statuses]]
