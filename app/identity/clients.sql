-- Our own programs. They hold no secret and ask for no more than the person or device behind them may do.
-- A login on our own pages is answered in place; only the workstations also come by /oauth/authorize.
INSERT INTO oauth_client (id, client_id, name, kind, grants, redirect_uris, scopes, auth_version) VALUES
    ('019f0000-0000-7000-8000-000000000001', 'mini_program', '小程序', 'public',
     'authorization_code refresh_token', '', 'account', 1),
    ('019f0000-0000-7000-8000-000000000002', 'staff_web', '职工工作站', 'public',
     'authorization_code refresh_token', '/ui/signed-in', 'staff', 1),
    ('019f0000-0000-7000-8000-000000000003', 'kiosk', '自助机', 'public', '', '', 'device', 1),
    ('019f0000-0000-7000-8000-000000000004', 'hall_display', '大屏', 'public', '', '', 'device', 1),
    ('019f0000-0000-7000-8000-000000000005', 'bedside', '床旁终端', 'public', '', '', 'device', 1),
    ('019f0000-0000-7000-8000-000000000006', 'nurse_station', '护士站', 'public', '', '', 'device', 1),
    ('019f0000-0000-7000-8000-000000000007', 'window_display', '窗口屏', 'public', '', '', 'device', 1)
ON CONFLICT (client_id) DO UPDATE
    SET name = excluded.name, kind = excluded.kind, grants = excluded.grants,
        redirect_uris = excluded.redirect_uris, scopes = excluded.scopes;
