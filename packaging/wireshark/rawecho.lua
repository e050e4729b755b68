-- Wireshark's dissector of rawecho's frames, docs/wire.md: under EtherType 0x88B5, in EAPOL's packet type 0xEC, under
-- each EtherType that Wireshark itself does not know, and under any other with Decode As.
--
--   wireshark -X lua_script:rawecho.lua                            or copy it to ~/.local/lib/wireshark/plugins
--   tshark -X lua_script:rawecho.lua -d ethertype==0x0800,rawecho  Decode As

local PDU_LENGTH, MAGIC, VERSION, REQUEST, REPLY = 46, 0x5245, 2, 1, 2
local ETH_P_802_EX1, EAPOL_TYPE = 0x88B5, 0xEC
local UNKNOWN_RESIDENCE, WINDOW_BITS = 0xFFFFFFFF, 64
local TPIDS = { [0x8100] = true, [0x88A8] = true }

local rawecho = Proto("rawecho", "Ethernet Echo (rawecho)")
local ethertypes = DissectorTable.get("ethertype")

local fields = {
    magic = ProtoField.uint16("rawecho.magic", "Magic", base.HEX),
    version = ProtoField.uint8("rawecho.version", "Version"),
    op = ProtoField.uint8("rawecho.op", "Operation", base.DEC, { [REQUEST] = "request", [REPLY] = "reply" }),
    session = ProtoField.uint32("rawecho.session", "Session", base.HEX),
    seq = ProtoField.uint32("rawecho.seq", "Sequence number"),
    responder_seq = ProtoField.uint32("rawecho.responder_seq", "Distinct requests that reached the responder"),
    t1 = ProtoField.absolute_time("rawecho.t1", "Request sent, by the initiator's clock", base.UTC),
    t2 = ProtoField.absolute_time("rawecho.t2", "Request received, by the responder's clock", base.UTC),
    residence = ProtoField.relative_time("rawecho.residence", "Time inside the responder"),
    window = ProtoField.uint64("rawecho.window", "Requests received, this one first", base.HEX),
    dropped = ProtoField.uint16("rawecho.dropped", "Frames that the responder's receive buffer dropped"),
    payload = ProtoField.bytes("rawecho.payload", "Payload"),
    reply_in = ProtoField.framenum("rawecho.reply_in", "Reply in", base.NONE, frametype.RESPONSE),
    reply_to = ProtoField.framenum("rawecho.reply_to", "Reply to", base.NONE, frametype.REQUEST),
    rtt = ProtoField.relative_time("rawecho.rtt", "Round-trip time, as captured"),
}
rawecho.fields = fields

local function expertise(name, text, group, severity)
    return ProtoExpert.new("rawecho." .. name, text, expert.group[group], expert.severity[severity])
end

local experts = {
    bad_version = expertise("bad_version", "Unknown version", "UNDECODED", "WARN"),
    bad_op = expertise("bad_op", "Neither request nor reply", "PROTOCOL", "WARN"),
    too_short = expertise("too_short", "Shorter than an Echo PDU, or cut by the capture", "MALFORMED", "ERROR"),
    no_reply = expertise("no_reply", "No reply was captured", "SEQUENCE", "NOTE"),
    duplicate = expertise("duplicate", "This responder had answered the request already", "SEQUENCE", "NOTE"),
}
rawecho.experts = experts

-- Requests by session, number and initiator, and by the frames that belong to them; both are filled when frames are
-- read for the first time, in their order, and looked up whenever a frame is shown.
local requests, request_of

function rawecho.init()
    requests, request_of = {}, {}
end

local function note(pinfo, op, session, seq)
    local initiator = op == REQUEST and pinfo.dl_src or pinfo.dl_dst
    local key = ("%08x %d %s"):format(session, seq, tostring(initiator))
    if op == REQUEST then -- the last one of its number: numbers wrap
        requests[key] = { frame = pinfo.number, at = pinfo.rel_ts, first_reply = {} }
    end
    local request = requests[key]
    if request and op == REPLY then
        local responder = tostring(pinfo.dl_src)
        request.reply = request.reply or pinfo.number
        request.first_reply[responder] = request.first_reply[responder] or pinfo.number
    end
    request_of[pinfo.number] = request
end

local function show_reply(pinfo, tree)
    local request = request_of[pinfo.number]
    if request.reply then
        tree:add(fields.reply_in, request.reply):set_generated()
    elseif pinfo.visited then -- on the first reading it may be still to come
        tree:add_proto_expert_info(experts.no_reply)
    end
end

local function seconds(number)
    return NSTime.new(math.floor(number), math.floor(number % 1 * 1e9 + 0.5))
end

local function show_request(pinfo, tree)
    local request = request_of[pinfo.number]
    if not request then
        return -- it was not captured
    end
    tree:add(fields.reply_to, request.frame):set_generated()
    tree:add(fields.rtt, seconds(pinfo.rel_ts - request.at)):set_generated()
    if request.first_reply[tostring(pinfo.dl_src)] ~= pinfo.number then
        tree:add_proto_expert_info(experts.duplicate)
    end
end

-- Nanoseconds, which a double holds exactly up to 2^53 only.
local function nanoseconds(ns)
    return NSTime.new((ns / 1000000000):tonumber(), (ns % 1000000000):tonumber())
end

-- A time of 64 bits, nanoseconds since the epoch.
local function add_time(tree, field, range, name)
    if range:uint64() == UInt64(0) then
        tree:add(range, name .. ": not stamped")
    else
        tree:add(field, range, nanoseconds(range:uint64()))
    end
end

-- The requests before this one, in the window, that have not come.
local function missing(window, seq)
    local numbers = {}
    for back = math.min(WINDOW_BITS, seq) - 1, 1, -1 do
        if window:rshift(back):band(1) == UInt64(0) then
            numbers[#numbers + 1] = seq - back
        end
    end
    return table.concat(numbers, ", ")
end

local function show_answer(tvb, tree)
    add_time(tree, fields.t2, tvb(24, 8), "Request received")
    if tvb(32, 4):uint() == UNKNOWN_RESIDENCE then
        tree:add(tvb(32, 4), "Time inside the responder: not known")
    else
        tree:add(fields.residence, tvb(32, 4), nanoseconds(UInt64(tvb(32, 4):uint())))
    end
    local window = tree:add(fields.window, tvb(36, 8))
    if tvb(36, 8):uint64() == UInt64(0) then
        window:append_text(" (not kept)")
    else
        local numbers = missing(tvb(36, 8):uint64(), tvb(8, 4):uint())
        window:append_text(numbers == "" and " (none is missing)" or " (missing: " .. numbers .. ")")
    end
    tree:add(fields.dropped, tvb(44, 2))
end

local function show_pdu(tvb, tree)
    tree:add(fields.op, tvb(3, 1))
    tree:add(fields.session, tvb(4, 4))
    tree:add(fields.seq, tvb(8, 4))
    tree:add(fields.responder_seq, tvb(12, 4))
    add_time(tree, fields.t1, tvb(16, 8), "Request sent")
    if tvb(3, 1):uint() == REPLY then
        show_answer(tvb, tree)
    else
        tree:add(tvb(24, PDU_LENGTH - 24), "For the responder to fill in")
    end
    if tvb:len() > PDU_LENGTH then
        tree:add(fields.payload, tvb(PDU_LENGTH))
    end
end

-- What keeps a frame that begins like ours from being understood.
local function complaint(tvb)
    if tvb(2, 1):uint() ~= VERSION then
        return experts.bad_version
    elseif tvb:len() < PDU_LENGTH then
        return experts.too_short
    elseif tvb(3, 1):uint() ~= REQUEST and tvb(3, 1):uint() ~= REPLY then
        return experts.bad_op
    end
end

function rawecho.dissector(tvb, pinfo, tree)
    if tvb:len() < 4 or tvb(0, 2):uint() ~= MAGIC then
        return 0 -- somebody else's: 0x88B5 is for everybody's experiments
    end
    pinfo.cols.protocol = "RAWECHO"
    local subtree = tree:add(rawecho, tvb())
    subtree:add(fields.magic, tvb(0, 2))
    subtree:add(fields.version, tvb(2, 1))
    local problem = complaint(tvb)
    if problem then
        subtree:add_proto_expert_info(problem)
        pinfo.cols.info = "Not understood"
        return tvb:len()
    end
    local op, session, seq = tvb(3, 1):uint(), tvb(4, 4):uint(), tvb(8, 4):uint()
    local words = ("Echo %s session=0x%08x seq=%d"):format(op == REQUEST and "request" or "reply", session, seq)
    pinfo.cols.info = words
    subtree:append_text(": " .. words)
    if not pinfo.visited then
        note(pinfo, op, session, seq)
    end
    show_pdu(tvb, subtree)
    local show_partner = op == REQUEST and show_reply or show_request
    show_partner(pinfo, subtree)
    return tvb:len()
end

ethertypes:add(ETH_P_802_EX1, rawecho)
DissectorTable.get("eapol.type"):add(EAPOL_TYPE, rawecho)

-- Tried on each whole frame before its EtherType is looked at: makes an EtherType that nobody dissects ours when the
-- first frame of ours comes under it, and leaves the rest to Ethernet's dissector.
rawecho:register_heuristic("eth", function(tvb)
    local offset = 12
    while tvb:len() >= offset + 8 and TPIDS[tvb(offset, 2):uint()] do
        offset = offset + 4
    end
    if tvb:len() >= offset + 6 and tvb(offset + 2, 3):uint() == MAGIC * 256 + VERSION then
        local ethertype = tvb(offset, 2):uint()
        if not ethertypes:get_dissector(ethertype) then
            ethertypes:add(ethertype, rawecho)
        end
    end
    return false
end)
