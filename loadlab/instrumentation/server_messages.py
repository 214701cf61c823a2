"""What PostgreSQL says in other languages than English when it refuses a connection.

A driver has nothing but these words: libpq keeps the SQLSTATE of a failed connect to itself, and `lc_messages` of the
server decides in which language they are. They are those of the message catalogues of PostgreSQL 15 and its libpq, as
Debian ships them (`postgres-15.mo`, `libpq5-15.mo`; the PostgreSQL Licence), in lower case, with single spaces.
"""
# ruff: noqa: E501  as they are

from __future__ import annotations

from typing import Final

from loadlab.model.metrics import ConnectError

SAID: Final[dict[ConnectError, tuple[str, ...]]] = {
    ConnectError.TOO_MANY_CONNECTIONS: (
        # de
        "tut mir leid, schon zu viele verbindungen",
        "die verbleibenden verbindungen sind für superuser auf nicht-replikationsverbindungen reserviert",
        "zu viele verbindungen von rolle »%s«",
        "zu viele verbindungen für datenbank »%s«",
        # es
        "lo siento, ya tenemos demasiados clientes",
        "las conexiones restantes están reservadas a superusuarios y no de replicación",
        "demasiadas conexiones para el rol «%s»",
        "demasiadas conexiones para la base de datos «%s»",
        # fr
        "désolé, trop de clients sont déjà connectés",
        "les emplacements de connexions restants sont réservés pour les connexions superutilisateur non relatif à la réplication",
        "trop de connexions pour le rôle « %s »",
        "trop de connexions pour la base de données « %s »",
        # it
        "spiacente, troppi client già connessi",
        "i rimanenti slot di connessione sono riservati a connessioni di superutenti non di replica",
        'troppe connessioni per il ruolo "%s"',
        'troppe connessioni al database "%s"',
        # ja
        "現在クライアント数が多すぎます",
        "残りの接続スロットはレプリケーションユーザーではないスーパーユーザー用に予約されています",
        'ロール"%s"からの接続が多すぎます',
        'データベース"%s"への接続が多すぎます',
        # ka
        "უკაცრავად, უკვე მეტისმეტად ბევრი კლიენტია",
        'მეტისმეტად ბევრი კავშირი როლისთვის "%s"',
        'ძალიან ბევრი კავშირი ბაზისთვის "%s"',
        # ko
        "최대 동시 접속자 수를 초과했습니다.",
        "남은 연결 슬롯은 non-replication 슈퍼유저 연결용으로 남겨 놓았음",
        '"%s" 롤의 최대 동시 접속수를 초과했습니다',
        '"%s" 데이터베이스 최대 접속수를 초과했습니다',
        # ru
        "извините, уже слишком много клиентов",
        "оставшиеся слоты подключений зарезервированы для подключений суперпользователя (не для репликации)",
        'слишком много подключений для роли "%s"',
        'слишком много подключений к бд "%s"',
        # sv
        "ledsen, för många klienter",
        "resterande anslutningsslottar är reserverade för superuser-anslutningar utan replikering",
        'för många uppkopplingar för roll "%s"',
        'för många uppkopplingar till databasen "%s"',
        # uk
        "вибачте, вже забагато клієнтів",
        "слоти підключень, які залишились, зарезервовані для підключень суперкористувача (не для реплікації)",
        'занадто багато підключень для ролі "%s"',
        'занадто багато підключень до бази даних "%s"',
        # zh_CN
        "对不起, 已经有太多的客户",
        "已保留的连接位置为执行非复制请求的超级用户预留",
        '由角色"%s"发起的连接太多了',
        '到数据库 "%s"的连接太多了',
    ),
    ConnectError.AUTHENTICATION: (
        # de
        "passwort-authentifizierung für benutzer »%s« fehlgeschlagen",
        "peer-authentifizierung für benutzer »%s« fehlgeschlagen",
        "ident-authentifizierung für benutzer »%s« fehlgeschlagen",
        "gssapi-authentifizierung für benutzer »%s« fehlgeschlagen",
        "ldap-authentifizierung für benutzer »%s« fehlgeschlagen",
        "zertifikatauthentifizierung für benutzer »%s« fehlgeschlagen",
        "authentifizierung für benutzer »%s« fehlgeschlagen: host abgelehnt",
        "kein pg_hba.conf-eintrag für host »%s«, benutzer »%s«, datenbank »%s«, %s",
        "pg_hba.conf lehnt verbindung ab für host »%s«, benutzer »%s«, datenbank »%s«, %s",
        "rolle »%s« hat keine berechtigung zum einloggen",
        "rolle »%s« existiert nicht",
        # es
        "la autentificación password falló para el usuario «%s»",
        "la autentificación peer falló para el usuario «%s»",
        "la autentificación ident falló para el usuario «%s»",
        "la autentificación gssapi falló para el usuario «%s»",
        "la autentificación ldap falló para el usuario «%s»",
        "la autentificación por certificado falló para el usuario «%s»",
        "la autentificación falló para el usuario «%s»: anfitrión rechazado",
        "no hay una línea en pg_hba.conf para «%s», usuario «%s», base de datos «%s», %s",
        "pg_hba.conf rechaza la conexión para el servidor «%s», usuario «%s», base de datos «%s», %s",
        "al rol «%s» no se le permite conectarse",
        "no existe el rol «%s»",
        # fr
        "authentification par mot de passe échouée pour l'utilisateur « %s »",
        "authentification peer échouée pour l'utilisateur « %s »",
        "échec de l'authentification ident pour l'utilisateur « %s »",
        "authentification gssapi échouée pour l'utilisateur « %s »",
        "authentification ldap échouée pour l'utilisateur « %s »",
        "authentification par le certificat échouée pour l'utilisateur « %s »",
        "authentification échouée pour l'utilisateur « %s » : hôte rejeté",
        "aucune entrée dans pg_hba.conf pour l'hôte « %s », utilisateur « %s », base de données « %s », %s",
        "pg_hba.conf rejette la connexion pour l'hôte « %s », utilisateur « %s », base de données « %s », %s",
        "le rôle « %s » n'est pas autorisé à se connecter",
        "le rôle « %s » n'existe pas",
        # it
        'autenticazione con password fallita per l\'utente "%s"',
        'autenticazione peer fallita per l\'utente "%s"',
        'autenticazione ident fallita per l\'utente "%s"',
        'autenticazione gssapi fallita per l\'utente "%s"',
        'autenticazione ldap fallita per l\'utente "%s"',
        'autenticazione con certificato fallita per l\'utente "%s"',
        'autenticazione fallita per l\'utente "%s": host rifiutato',
        'nessuna voce in pg_hba.conf per l\'host "%s", utente "%s", database "%s", %s',
        'pg_hba.conf rifiuta connessioni per l\'host "%s", utente "%s", database "%s", %s',
        'al ruolo "%s" non è consentito effettuare il login',
        'il ruolo "%s" non esiste',
        # ja
        'ユーザー"%s"のパスワード認証に失敗しました',
        'ユーザー"%s"で対向(peer)認証に失敗しました',
        'ユーザー"%s"のident認証に失敗しました',
        'ユーザー"%s"のgssapi認証に失敗しました',
        'ユーザー"%s"のldap認証に失敗しました',
        'ユーザー"%s"の証明書認証に失敗しました',
        'ユーザー"%s"の認証に失敗しました: ホストを拒絶しました',
        'pg_hba.conf にホスト"%s"、ユーザー"%s"、データベース"%s, %s用のエントリがありません',
        'pg_hba.conf の設定でホスト "%s"、ユーザー "%s"、データベース "%s", %sの接続を拒否しました',
        'ロール"%s"はログインが許可されません',
        'ロール"%s"は存在しません',
        # ka
        'პაროლით ავთენტიფიკაცია მომხმარებლისთვის "%s" ვერ მოხერხდა',
        'პარტნიორის ავთენტიფიკაცია მომხმარებლისთვის "%s" ვერ მოხერხდა',
        'იდენტიფიკაციით ავთენტიფიკაცია მომხმარებლისთვის "%s" ვერ მოხერხდა',
        'gssapi ავთენტიფიკაცია მომხმარებლისთვის "%s" ვერ მოხერხდა',
        'ldap ავთენტიფიკაცია მომხმარებლისთვის "%s" ვერ მოხერხდა',
        'სერტიფიკატით ავთენტიფიკაცია მომხმარებლისთვის "%s" ვერ მოხერხდა',
        'ავთენტიკაციის შეცდომა მომხმარებლისთვის "%s": ჰოსტმა ის უარყო',
        'pg_hba.conf-ში ჩანაწერი ჰოსტისთვის "%s" მომხმარებელი "%s", ბაზა "%s", %s აღმოჩენილი არაა',
        'pg_hba.conf უარყოფს მიერთებას ჰოსტისთვის "%s", მომხმარებელი "%s", ბაზა "%s", %s',
        "როლს შესვლის უფლება არ აქვს: %s",
        'როლი არ არსებობს: "%s"',
        # ko
        '사용자 "%s"의 password 인증을 실패했습니다',
        '사용자 "%s"의 peer 인증을 실패했습니다.',
        '사용자 "%s"의 ident 인증을 실패했습니다.',
        '"%s" 사용자에 대한 gssapi 인증을 실패했습니다.',
        '"%s" 사용자의 ldap 인증을 실패했습니다.',
        '사용자 "%s"의 인증서 인증을 실패했습니다',
        '사용자 "%s"의 인증을 실패했습니다: 호스트 거부됨',
        '호스트 "%s", 사용자 "%s", 데이터베이스 "%s", %s 연결에 대한 설정이 pg_hba.conf 파일에 없습니다.',
        '호스트 "%s", 사용자 "%s", 데이터베이스 "%s", %s 연결이 pg_hba.conf 파일 설정에 따라 거부됩니다',
        '"%s" 롤은 접속을 허용하지 않음',
        '"%s" 롤(role) 없음',
        # ru
        'пользователь "%s" не прошёл проверку подлинности (по паролю)',
        'пользователь "%s" не прошёл проверку подлинности (peer)',
        'пользователь "%s" не прошёл проверку подлинности (ident)',
        'пользователь "%s" не прошёл проверку подлинности (gssapi)',
        'пользователь "%s" не прошёл проверку подлинности (ldap)',
        'пользователь "%s" не прошёл проверку подлинности (по сертификату)',
        'пользователь "%s" не прошёл проверку подлинности: не разрешённый компьютер',
        'в pg_hba.conf нет записи для компьютера "%s", пользователя "%s", базы "%s", %s',
        'pg_hba.conf отвергает подключение: компьютер "%s", пользователь "%s", база данных "%s", %s',
        'для роли "%s" вход запрещён',
        'роль "%s" не существует',
        # sv
        'lösenordsautentisering misslyckades för användare "%s"',
        'peer-autentisering misslyckades för användare "%s"',
        'ident-autentisering misslyckades för användare "%s"',
        'gssapi-autentisering misslyckades för användare "%s"',
        'ldap-autentisering misslyckades för användare "%s"',
        'certifikat-autentisering misslyckades för användare "%s"',
        'autentisering misslyckades för användare "%s": host blockerad',
        'ingen rad i pg_hba.conf för värd "%s", användare "%s", databas "%s", %s',
        'pg_hba.conf avvisar anslutning för värd "%s", användare "%s", databas "%s", %s',
        'roll "%s" tillåts inte logga in',
        'rollen "%s" finns inte',
        # uk
        'користувач "%s" не пройшов автентифікацію за допомогою пароля',
        'користувач "%s" не пройшов автентифікацію peer',
        'користувач "%s" не пройшов автентифікацію ident',
        'користувач "%s" не пройшов автентифікацію gssapi',
        'користувач "%s" не пройшов автентифікацію ldap',
        'користувач "%s" не пройшов автентифікацію за сертифікатом',
        'користувач "%s" не пройшов автентифікацію: відхилений хост',
        'в pg_hba.conf немає запису для хосту "%s", користувача "%s", бази даних "%s", %s',
        'pg_hba.conf відхиляє підключення для хосту "%s", користувача "%s", бази даних "%s", %s',
        'для ролі "%s" вхід не дозволений',
        'роль "%s" не існує',
        # zh_CN
        '用户 "%s" password 认证失败',
        '对用户"%s"的对等认证失败',
        '用户 "%s" ident 认证失败',
        '对于用户"%s"的gssapi 认证失败',
        '对于用户 "%s"的ldap认证失败',
        '用户 "%s" 的认证失败',
        '用户 "%s" 认证失败: 主机拒绝',
        '没有用于主机 "%s", 用户 "%s", 数据库 "%s", %s 的 pg_hba.conf 记录',
        'pg_hba.conf 记录拒绝来自主机"%s", 用户"%s", 数据库"%s", %s的复制连接',
        '不允许角色"%s" 进行登录',
        '角色 "%s" 不存在',
    ),
    ConnectError.STARTING: (
        # de
        "das datenbanksystem startet",
        "das datenbanksystem fährt herunter",
        "das datenbanksystem ist im wiederherstellungsmodus",
        "das datenbanksystem nimmt noch keine verbindungen an",
        "das datenbanksystem nimmt keine verbindungen an",
        # es
        "el sistema de base de datos está iniciándose",
        "el sistema de base de datos está apagándose",
        "el sistema de base de datos está en modo de recuperación",
        "el sistema de bases de datos aún no está aceptando conexiones",
        "el sistema de bases de datos no está aceptando conexiones",
        # fr
        "le système de bases de données se lance",
        "le système de base de données s'arrête",
        "le système de bases de données est en cours de restauration",
        "le système de bases de données n'accepte pas encore de connexions",
        "le système de bases de données n'accepte pas de connexions",
        # it
        "il database si sta avviando",
        "il database si sta spegnendo",
        "il database è in modalità di ripristino",
        "il sistema di database non accetta ancora connessioni",
        "il sistema di database non accetta connessioni",
        # ja
        "データベースシステムは起動処理中です",
        "データベースシステムはシャットダウンしています",
        "データベースシステムはリカバリモードです",
        "データベースシステムはまだ接続を受け付けていません",
        "データベースシステムは接続を受け付けていません",
        # ka
        "მიმდინარეობს მონაცემთა ბაზის სისტემის გაშვება",
        "მონაცემთა ბაზის სისტემა ითიშება",
        "მონაცემთა ბაზის სისტემა აღდგენის რეჟიმშია",
        "მონაცემთა ბაზის სისტემა ჯერ მიერთებებს არ იღებს",
        "მონაცემთა ბაზის სისტემა მიერთებებს არ იღებს",
        # ko
        "데이터베이스 시스템이 새로 가동 중입니다.",
        "데이터베이스 시스템이 중지 중입니다",
        "데이터베이스 시스템이 자동 복구 작업 중입니다.",
        "해당 데이터베이스 시스템은 아직 접속을 허용하지 않습니다.",
        "해당 데이터베이스 시스템은 접속을 허용하지 않습니다.",
        # ru
        "система баз данных запускается",
        "система баз данных останавливается",
        "система баз данных в режиме восстановления",
        "система бд ещё не принимает подключения",
        "система бд не принимает подключения",
        # sv
        "databassystemet startar upp",
        "databassystemet stänger ner",
        "databassystemet är återställningsläge",
        "databassystemet tar ännu inte emot anslutningar",
        "databassystemet tar inte emot anslutningar",
        # uk
        "система бази даних запускається",
        "система бази даних завершує роботу",
        "система бази даних у режимі відновлення",
        "система бази даних ще не приймає підключення",
        "система бази даних не приймає підключення",
        # zh_CN
        "数据库系统启动中",
        "数据库系统停止中",
        "数据库系统在恢复模式中",
    ),
    ConnectError.TIMEOUT: (
        # de
        "timeout abgelaufen",
        # es
        "tiempo de espera agotado",
        # fr
        "le délai est dépassé",
        # it
        "timeout scaduto",
        # ja
        "タイムアウト期間が過ぎました",
        # ka
        "მოლოდინის დრო გავიდა",
        # ko
        "시간 초과",
        # ru
        "тайм-аут",
        # sv
        "timeout utgången",
        # uk
        "тайм-аут минув",
        # zh_CN
        "超时满",
    ),
}
