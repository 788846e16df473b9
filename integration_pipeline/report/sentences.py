"""What the pipeline itself says of errors, in Japanese: the English sentence, as it is stored, and its translation.

text -> the templates that it is made of -> Japanese | None

Stored is English, and what a sentence names (a scope, a code, an address) stands in the braces. A sentence that is not
here stays as it was stored; tests see to it that every remedy is.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache

_REINSTALL = (
    "Have somebody who may install apps in the workspace open the app at api.slack.com/apps and install it again"
)
_REINSTALL_JA = (
    "ワークスペースにアプリをインストールできる人が、api.slack.com/apps でアプリを開き、インストールし直してください"
)
_RENEWED = (
    "Create a new client secret in Microsoft Entra (App registrations, Certificates & secrets), copy its value and not "
    "its id, and import the connection again with it."
)
_RENEWED_JA = (
    "Microsoft Entra（アプリの登録、証明書とシークレット）で新しいクライアント シークレットを作り、ID ではなく値を使って、"
    "接続を登録し直してください。"
)
_CONSENT = "Ask the tenant's administrator to consent again: {url}"
_CONSENT_JA = "テナントの管理者に、次の URL でもう一度同意してもらってください：{url} "

JAPANESE: Mapping[str, str] = {
    # what a person should do: any provider
    "Connect the tenant again: import fresh credentials for it with `connections import`.": "新しい認証情報を `connections import` で登録し、テナントを接続し直してください。",
    "If the host is right, add it to INTEGRATION_PIPELINE_ALLOWED_HOSTS.": "ホストが正しければ、INTEGRATION_PIPELINE_ALLOWED_HOSTS に加えてください。",
    "Put that key back into the ring; if it is lost, import the connection or spreadsheet again with its secrets.": "その鍵を鍵束に戻してください。失われた場合は、接続またはスプレッドシートを秘密情報とともに登録し直してください。",
    "Import the connection or spreadsheet again with its secrets.": "接続またはスプレッドシートを秘密情報とともに登録し直してください。",
    "Allow the host, or import the connection again with another api_endpoint.": "ホストを許可するか、接続を別の api_endpoint で登録し直してください。",
    "Look at `history list` once it is back; the next run is right either way.": "データベースが戻ったら `history list` で確認してください。どちらであっても、次の実行で正しくなります。",
    "Look at the provider's own directory. The sync itself keeps a hold, to be approved or rejected.": "接続先の管理画面で名簿を確認してください。実際の同期では保留となり、承認または却下できます。",
    "Look at the provider's own directory and at what is held: {command}.": "接続先の管理画面の名簿と、保留の内容（{command}）を確認してください。",
    "If it really shrank: {command}.": "本当に減っていれば {command} で承認してください。",
    "If not: repair the listing, or reject it.": "そうでなければ、一覧を直すか、却下してください。",
    # Slack
    f"{_REINSTALL} (Install App); then import the connection with the new tokens.": f"{_REINSTALL_JA}（Install App）。その後、新しいトークンで接続を登録し直してください。",
    f"{_REINSTALL}, with bot scopes; then import the connection with the tokens of the bot.": f"{_REINSTALL_JA}（Bot のスコープを付けて）。その後、Bot のトークンで接続を登録し直してください。",
    "If the workspace has a list of allowed addresses, add this machine's.": "ワークスペースで IP アドレスを制限している場合は、このマシンのアドレスを許可してください。",
    "Ask the workspace's owner to allow the app (Tools & settings, Manage apps), and this machine's address where the organisation has a list of allowed ones.": "ワークスペースのオーナーに、アプリの許可（ツールと設定、アプリを管理する）を依頼してください。組織で IP アドレスを制限している場合は、このマシンのアドレスの許可も必要です。",
    "Have an owner or administrator of the workspace install the app again (Install App at api.slack.com/apps).": "ワークスペースのオーナーまたは管理者が、アプリをインストールし直してください（api.slack.com/apps の Install App）。",
    "The workspace's plan does not include this: ask its owner to upgrade it, or switch that part of the sync off.": "ワークスペースのプランに含まれていません。オーナーにプランの変更を依頼するか、この部分の同期を止めてください。",
    "Import the app's Bot User OAuth Token (xoxb-…, or xoxe.xoxb-… with rotation).": "アプリの Bot User OAuth Token（xoxb-…、ローテーションを使う場合は xoxe.xoxb-…）を登録してください。",
    "Compare client_id and client_secret with Basic Information at api.slack.com/apps, and import them again.": "client_id と client_secret を api.slack.com/apps の Basic Information と照らし合わせ、登録し直してください。",
    "Slack is moving the workspace into an Enterprise organisation, which takes hours; the next night tries again.": "Slack がワークスペースを Enterprise の組織に移しています。数時間かかり、次の夜にもう一度同期します。",
    "Add the bot scope that this method needs under OAuth & Permissions at api.slack.com/apps, and install the app in the workspace again.": "api.slack.com/apps の OAuth & Permissions で、この呼び出しに必要な Bot のスコープを加え、アプリをワークスペースにインストールし直してください。",
    "Add the bot scope {scopes} under OAuth & Permissions at api.slack.com/apps, and install the app in the workspace again.": "api.slack.com/apps の OAuth & Permissions で Bot のスコープ {scopes} を加え、アプリをワークスペースにインストールし直してください。",
    # Microsoft Teams
    "Add the application permission {permissions} under API permissions in Microsoft Entra if it is not there.": "Microsoft Entra の「API のアクセス許可」に、アプリケーションの許可 {permissions} がなければ加えてください。",
    "Add the application permissions {permissions} under API permissions in Microsoft Entra if they are not there.": "Microsoft Entra の「API のアクセス許可」に、アプリケーションの許可 {permissions} がなければ加えてください。",
    "Compare the application's API permissions in Microsoft Entra (entra.microsoft.com) with the README of this provider, and have an administrator of the tenant consent to them.": "Microsoft Entra（entra.microsoft.com）でアプリケーションの API のアクセス許可をこの接続先の README と照らし合わせ、テナントの管理者に同意してもらってください。",
    _CONSENT: _CONSENT_JA.rstrip(),
    f"{_CONSENT} (the connection's directory_id and client_id).": f"{_CONSENT_JA}（接続の directory_id と client_id を入れます）。",
    f"The client secret is wrong. {_RENEWED}": f"クライアント シークレットが違います。{_RENEWED_JA}",
    f"The client secret has expired. {_RENEWED}": f"クライアント シークレットの期限が切れています。{_RENEWED_JA}",
    "The application is disabled in the tenant: ask its administrator to enable it in Microsoft Entra under Enterprise applications, Properties.": "アプリケーションがテナントで無効になっています。管理者に、Microsoft Entra の「エンタープライズ アプリケーション」の「プロパティ」で有効にしてもらってください。",
    "The application has no service principal in the tenant.": "アプリケーションのサービス プリンシパルがテナントにありません。",
    "The tenant does not know the application.": "テナントにこのアプリケーションがありません。",
    "Compare client_id and options.directory_id.": "client_id と options.directory_id を確認してください。",
    "Nobody has consented to the application.": "アプリケーションにまだ誰も同意していません。",
    "There is no such tenant.": "そのようなテナントはありません。",
    "That is no tenant.": "テナントの指定が正しくありません。",
    "Correct options.directory_id: it is the Directory (tenant) ID on the tenant's overview page in Microsoft Entra.": "options.directory_id を直してください。Microsoft Entra のテナントの概要にある「ディレクトリ (テナント) ID」です。",
    "A Conditional Access policy of the tenant blocks the application: ask its administrator to except it, or this machine's address, in Microsoft Entra.": "テナントの条件付きアクセス ポリシーがアプリケーションを拒んでいます。管理者に、Microsoft Entra でアプリケーションまたはこのマシンのアドレスを対象外にしてもらってください。",
    "Look the code up at https://login.microsoftonline.com/error, and check the application's registration.": "コードを https://login.microsoftonline.com/error で調べ、アプリケーションの登録を確認してください。",
    "Import it again with client_id, client_secret and options.directory_id.": "client_id、client_secret、options.directory_id を揃えて登録し直してください。",
    # LINE WORKS
    "In the Developer Console (developers.worksmobile.com), tick the app's OAuth scopes user.read, group.read, orgunit.read and bot.read, and see that the connection's domain_ids are domains of this tenant and that the plan allows the API.": "Developer Console（developers.worksmobile.com）で、アプリの OAuth Scopes の user.read、group.read、orgunit.read、bot.read を選び、接続の domain_ids がこのテナントのドメインであること、プランで API を使えることを確認してください。",
    "Compare service_account with the Developer Console (developers.worksmobile.com); if the private key was issued again there, import the new one.": "service_account を Developer Console（developers.worksmobile.com）と照らし合わせてください。秘密鍵を発行し直した場合は、新しい鍵を登録してください。",
    "This machine's clock must be right.": "このマシンの時計が合っている必要があります。",
    "Compare client_id and client_secret with the app's page in the Developer Console (developers.worksmobile.com), and import the connection again.": "client_id と client_secret を Developer Console（developers.worksmobile.com）のアプリの画面と照らし合わせ、接続を登録し直してください。",
    "Import the connection again with options.private_key, the whole PEM file of the Developer Console.": "options.private_key に Developer Console の PEM ファイル全体を入れて、接続を登録し直してください。",
    # Google Sheets
    "Publish again in a few minutes; if it happens often, ask Google for a higher quota for the project of {email}.": "数分後にもう一度公開してください。たびたび起きるときは、{email} のプロジェクトの割り当てを増やすよう Google に申請してください。",
    "Enable the Google Sheets API in the project of {email} (Google Cloud's console, APIs & Services).": "{email} のプロジェクトで Google Sheets API を有効にしてください（Google Cloud コンソールの「API とサービス」）。",
    "Share the spreadsheet with {email} as an editor; where its sheets are protected, allow it to edit them.": "スプレッドシートを {email} に編集者として共有してください。シートが保護されている場合は、編集を許可してください。",
    "Restore it, or import another one's id with `spreadsheets import` and share it with {email} as an editor.": "元に戻すか、別のスプレッドシートの ID を `spreadsheets import` で登録し、{email} に編集者として共有してください。",
    "See whether the sheets or parts of them are protected: {email} must be allowed to edit them.": "シートやその一部が保護されていないか確認し、{email} に編集を許可してください。",
    "Make a new key for {email} in Google Cloud's console and import it with `spreadsheets import`.": "Google Cloud コンソールで {email} の新しい鍵を作り、`spreadsheets import` で登録してください。",
    "If the key is right, the clock of this machine may be wrong.": "鍵が正しければ、このマシンの時計がずれているかもしれません。",
    "Import its whole key file with `spreadsheets import`.": "鍵ファイル全体を `spreadsheets import` で登録してください。",
    "Give the tenant one of the IANA time zones, such as Asia/Tokyo.": "テナントのタイムゾーンを IANA の名前（Asia/Tokyo など）にしてください。",
    "See whether a publishing hangs, end it, and publish again.": "止まったままの公開がないか確認し、あれば終わらせて、もう一度公開してください。",
    "Rename or delete that sheet; the pipeline then makes its own.": "そのシートの名前を変えるか、削除してください。シートは自動で作られます。",
    "Put the header row back as it was (the spreadsheet's version history shows it), or delete the sheet: it is then made anew.": "見出しの行を元に戻してください（スプレッドシートの変更履歴で確認できます）。シートを削除すると、作り直されます。",
    "Delete the other rows: their numbers are not kept up to date.": "ほかの行を削除してください。その数値は更新されません。",
    "Look at PostgreSQL's own log.": "PostgreSQL のログを確認してください。",
    "Report it with its stack trace.": "スタックトレースを添えて報告してください。",
    "See its own log.": "データベースのログを確認してください。",
    "Report it with the log.": "ログを添えて報告してください。",
    # what happened
    "Slack answered {code}": "Slack の応答：{code}",
    "Slack answered {code} when asked for a token": "トークンを求めたときの Slack の応答：{code}",
    "Slack answered HTTP {code} without a reason": "Slack の応答：HTTP {code}（理由の記載なし）",
    "the Slack app lacks the scope that this method needs (missing_scope)": "Slack アプリに、この呼び出しに必要なスコープがありません（missing_scope）",
    "the Slack app lacks the scope {scopes} (missing_scope)": "Slack アプリにスコープ {scopes} がありません（missing_scope）",
    "the Slack app lacks the scope {scopes} (missing_scope) when asked for a token": "Slack アプリにスコープ {scopes} がありません（missing_scope）",
    "the refresh token belongs to a user's token, not to the bot's": "リフレッシュトークンが Bot のものではなく、ユーザーのものです",
    "no user came with an e-mail address: the app lacks the scope {code}, and nobody is matched by e-mail.": "メールアドレスの付いたユーザーがいません。アプリにスコープ {code} がなく、メールアドレスによる対応付けができません。",
    "the workspace's name and domain: {why}.": "ワークスペースの名前とドメイン：{why}。",
    "Microsoft answered {code}": "Microsoft の応答：{code}",
    "Microsoft answered {code} ({reason})": "Microsoft の応答：{code}（{reason}）",
    "Microsoft Entra refused a token: {code}": "Microsoft Entra がトークンを拒みました：{code}",
    "Graph does not say which teams are archived, so that no channel of those teams is taken for deleted.": "どのチームがアーカイブ済みかを Graph が示さないため、それらのチームのチャネルは削除とみなしていません。",
    "Grant the application permission {code}, and have an administrator of the tenant consent to it.": "アプリケーションの許可 {code} を与え、テナントの管理者に同意してもらってください。",
    "LINE WORKS answered {code}": "LINE WORKS の応答：{code}",
    "LINE WORKS answered HTTP {code} without a reason": "LINE WORKS の応答：HTTP {code}（理由の記載なし）",
    "LINE WORKS refused a token ({reason})": "LINE WORKS がトークンを拒みました（{reason}）",
    "the connection is incomplete": "接続の設定が足りません",
    "the connection's private key cannot be read": "接続の秘密鍵を読めません",
    "no access token is stored, and none can be asked for": "アクセストークンが保存されておらず、取得もできません",
    "the provider rejects the access token, and it cannot be renewed": "接続先がアクセストークンを拒み、更新もできません",
    "the provider rejects even a fresh access token: {why}": "新しいアクセストークンも接続先に拒まれました：{why}",
    "the access token holds characters that no token can have": "アクセストークンに、使えない文字が含まれています",
    "a refresh was interrupted at {reason}, and the provider no longer accepts the refresh token it was spending: {why}": "トークンの更新が {reason} に中断し、使っていたリフレッシュトークンを接続先が受け付けなくなりました：{why}",
    "the answer to an earlier try was lost, and the provider no longer accepts the refresh token it was spending: {why}": "先の試みへの応答が失われ、使っていたリフレッシュトークンを接続先が受け付けなくなりました：{why}",
    "the process ended before the sync did": "同期が終わる前にプロセスが終了しました",
    "the run was stopped": "実行が止められました",
    "the time allowed for this sync is over": "この同期に許された時間を過ぎました",
    "the limit {code} has room in {n} s, longer than this sync may wait": "上限 {code} が空くまで {n} 秒かかり、この同期が待てる時間を超えます",
    "the provider asks to wait {n} s, and this sync may wait {most} s": "接続先は {n} 秒待つよう求めていますが、この同期が待てるのは {most} 秒までです",
    "the database refused or was lost: {code}": "データベースが拒んだか、接続が失われました：{code}",
    "the database refused or was lost: {code} {n}": "データベースが拒んだか、接続が失われました：{code}（{n}）",
    "a defect in the pipeline: {code}": "プログラムの不具合です：{code}",
    "the database was lost while it committed, and does not say whether the changes were kept": "確定の途中でデータベースとの接続が失われ、変更が残ったかどうか分かりません",
    "{method} {place}: no answer in time ({code})": "{place} から時間内に応答がありませんでした（{code}）",
    "{method} {place}: the answer came too slowly": "{place} の応答が遅すぎました",
    "{method} {place}: Connection refused": "{place} に接続を拒まれました",
    "{method} {place}: Name or service not known": "{place} のホスト名を解決できませんでした",
    "{method} {place}: {code}": "{place} との通信に失敗しました（{code}）",
    "{method} {place}: status {code}": "{place} の応答：ステータス {code}",
    "an answer that is not JSON": "JSON ではない応答でした",
    "an answer that is not as documented: {reason}": "応答が仕様と異なります：{reason}",
    "the provider's pages run in a circle: the same cursor came twice": "接続先のページが循環しています（同じカーソルが 2 度返されました）",
    # a night that was not whole
    "could not read {listing}: {why}": "読めなかった範囲：{listing}：{why}",
    "cannot tell what is gone, {listing}: {why}": "なくなったものを判断できなかった範囲：{listing}：{why}",
    "{listing}: {why}": "{listing}：{why}",
    "an id came twice on different pages": "同じ ID が別々のページに現れました",
    "a record without a readable id": "ID を読めないレコードがありました",
    "and {n} more": "ほか {n} 件",
    "{n} records could not be read": "{n} 件のレコードを読めませんでした",
    "nothing was deactivated: {why}": "何も無効化していません：{why}",
    "the listing {listing} is empty although it had active rows": "利用中の行があった一覧 {listing} が空です",
    "so are {n} more": "ほか {n} 件の一覧も同じです",
    "{n} of {all} active {kind} rows would be deactivated, more than {most} and more than {percent} %": "利用中の {kind} {all} 件のうち {n} 件が無効化されます（{most} 件と {percent}% の両方を超えています）",
    "all {n} active {kind} rows would be deactivated": "利用中の {kind} {n} 件すべてが無効化されます",
    # publishing
    "Google accepts no key of {email} ({reason})": "Google が {email} の鍵を受け付けません（{reason}）",
    "Google rejects even a fresh token of {email}": "Google が {email} の新しいトークンも受け付けません",
    "the key of {email} cannot be used ({reason})": "{email} の鍵を使えません（{reason}）",
    "{method} {place}: the service account may not edit the spreadsheet ({reason})": "サービスアカウントがスプレッドシートを編集できません（{reason}、{place}）",
    "{method} {place}: there is no such spreadsheet (any more) ({reason})": "スプレッドシートがありません（{reason}、{place}）",
    "{method} {place}: the quota of requests a minute is used up ({reason})": "1 分あたりのリクエストの割り当てを使い切りました（{reason}、{place}）",
    "{method} {place}: the quota of tokens is used up ({reason})": "トークンの割り当てを使い切りました（{reason}、{place}）",
    "{method} {place}: the Google Sheets API is switched off for the service account's project ({reason})": "サービスアカウントのプロジェクトで Google Sheets API が無効です（{reason}、{place}）",
    "{method} {place}: Google refuses to make this change ({reason})": "Google がこの変更を受け付けません（{reason}、{place}）",
    "another publishing has been writing this spreadsheet for minutes": "別の公開が、数分間このスプレッドシートに書き込み続けています",
}  # fmt: skip
"""English template → Japanese template."""

_PATTERNS: Mapping[str, str] = {
    "why": ".+",
    "reason": "[^;]+?",
    "scopes": ".+?",
    "permissions": ".+?",
    "command": "[^.]+?",
    "method": "[A-Z]+",
    "n": "[0-9,]+",
}
"""What may stand in braces; else it is a word. ``why`` is a sentence of its own, and translated too."""
_WORD = r"[^\s;]+?"
_WHY, _REST = "why", "rest"

DEEPEST = 8
"""How many sentences stand in or behind one another. A listing's name is the provider's, and may read like many more."""

_BRACES = re.compile(r"\\\{(\w+)\\\}")


def japanese(text: str) -> str | None:
    """A sentence, several in a row, or several between semicolons; None where any of them is not known."""
    return _said(text, DEEPEST)


@lru_cache(maxsize=4096)
def _said(text: str, depth: int) -> str | None:
    if depth == 0:
        return None
    for pattern, translation in _templates():
        found = pattern.fullmatch(text)
        said = _filled(translation, found.groupdict(), depth) if found else None
        if said is not None:
            return said
    parts = text.split("; ")
    said_parts = [_said(part, depth - 1) for part in parts] if len(parts) > 1 else [None]
    return None if None in said_parts else "。".join(filter(None, said_parts))


def _filled(translation: str, values: dict[str, str], depth: int) -> str | None:
    """A translation with what it names, and what follows it; None where a sentence in it is not known."""
    sentences = {name: _said(values[name], depth - 1) for name in (_WHY, _REST) if name in values}
    if None in sentences.values():
        return None
    return translation.format(**{**values, **sentences}) + (sentences.get(_REST) or "")


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Each template by itself, and then each with more behind it; and its translation."""
    patterns = [(_BRACES.sub(_group, re.escape(english)), translation) for english, translation in JAPANESE.items()]
    alone = [(re.compile(pattern), translation) for pattern, translation in patterns]
    return [*alone, *((re.compile(f"{pattern} (?P<{_REST}>.+)"), translation) for pattern, translation in patterns)]


def _group(name: re.Match[str]) -> str:
    return f"(?P<{name[1]}>{_PATTERNS.get(name[1], _WORD)})"
