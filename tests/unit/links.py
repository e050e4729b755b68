"""RTM_NEWLINK bodies as a kernel (6.18) sent them: deflated, in base 85."""

from __future__ import annotations

import base64
import zlib

_CAPTURED = {
    "lo": (
        "c-q~PyGlbr5QhKF*-ehY%LxPo1urP52pSBeNW8=wXlZ9@VLCBbq~Fpa50OXl0qlGUv9PkRJI?O;mAD*_m5l?t-!MBfJ3Bjojue1%"
        "xE-h<!c8BDF@@&{Fi5=Jphg~h&lp;ECEW4$7)^4XTp;(zMaHcoO&vEF-zE>pF4@6*S`qHj|A={(d>(^k=3AkCn{0TNaYCN5?lsRU"
        "-<j#9FZ~g-_%CuTzxdZOiB0KgiFz5g{kuVL(8Gh8!%*z^V||AI(eDdm3`G^3<w+u6>t;1CPeWB@CVVzqmx|piZ9N&-vn=L~Z|E{2"
        "tTPoE&1Ak#x9tho3k7%GrGzFq@4I^WxmK4WtXl;&qo6<bwN-fTMStFv-52`RbLPWHmz=C(`qzGI>|2dP`vFZzH@N"
    ),
    "bridge": (
        "c-qaBzfK!L5XQefe6|4-4r1{yB!=)e1i=Lm1qmdC(9zIQB4R5_0|Ln%#WhG26g&V$3Lbz*h*G6Ufdpk908vm;(3zRt@5t#y5(<zQ"
        "$@<OS&dts4d}F}C1F#SnsO3?IwXIOtgtI!pM}RDpEq33>0*sBz;J2@wz$d$&M6ITL#yl^`S+d0Uh8g!tRz^5Oz9&DBZ*f)23EwgP"
        "BlGmwJU)7vug}(>$2ixaW!6@uTx8utmJK{Fj@0)gw;J#Z?Qk~$w=cFt9^!6h@HniDoUO&<84e$y)&gG3ow}PkFs*2mjB8t8%U>$M"
        "p7CTqNW``z{MLm3RQd(>)lg3!eo}|WIj6I*s`S}UQDdb2%yC`MT#fSBb+#a#js2|bxcp7j!4tBXdMLs~KbT|8vXszK9&Z@mM%}fO"
        "9emzNj_^BO_T+XB0%bS#`P|Z%dvhGMc?vQo<(vB`VZRdlJvjIr`@J{~WB;X{OXv4t${kPg^^*hSAY-yv-`K2Hsug@UUD%Va@20wM"
        "QosAuav)<D*PH%kXc}za#iF8AtaBKi_}JcY?_5$}`j4R6NY|;8`>pv;{%EEi(XxRqS3KM(F!|2v`Q7F>uG{=&|F-*yE~fuKUl|8I"
        "tJa^6D^k}<^EoB`)b775gSjY!`RE!YqEXf"
    ),
    "bridge port": (
        "c-qyJy-r&}5QWd;yVu4sZ~-SM;m;NX0u-@`lmf^v&_ja|6+&2mgor>ueajSigcLjikH7=ar9(UbN|7o>syH*VCywJ7C?X0*Lf@U;"
        "xx?Ana}79T0L&*28tsx*54WfFIfo8h$)-nw7|L#|@t8;0k8tUg(^#<l1!^^AKlg{=jIYRHv>BhVZbC9AoFU(kZ^>EwsAYw7tbfnG"
        "CHBc1J<9Aq!u99OE5_K=DHo}K+?bbLt;Yjcr<w(Djy{BGz-FVdM*hV8icMtgEE%5RF7y{LB{Q{2V%PPEha8T@L}9cMHV$?+x2nLB"
        "^HLZ57E67}?kK}MjCePmjL9rHK<4Z`-u{cSpBy6dtSeAk2hyPJw1Cd~bBr#yRCOfuMmO^w_UUDxB00#qVdf=rgd8Qye|gM{*8``h"
        "=V8O#9^u0Oe(tNUdpxFppF-v4Fh<``aD9?_m|8(p?S0rksvcEw=APh_y!5f|;1I6q4-Nd^NaUzjnSa-{f5qi_V@QjlSHG{y7mv>?"
        ";hpdFjeha^ThgpkzsQrWKmF60cBIR}L#y&?(&BvUU$58dTIhDy?6;av`t9Y7`xe2<c2?EjTvw#08$*4qF)ALtEh4;5BfLw00dt8<"
        "QU"
    ),
    "veth": (
        "c-qyHy-EX75QWd(-J6&Yb(Mgi;13Ea7On~w@!#kJ*ol>e3s#C?tZ!-ILx@k32e7mC0fL2<g_Y~f+`)uRqJ>yEWcl{)OlHrV9l#(0"
        "P>&5bN(hl&pRe%!00z+t0gD&~Fh``uq7I*r@NAi@IFR!ivWz*Q`AOxLateWPLF*RjWQaB8j&fJIf%mLP+|>Gg?K3TXEM{QjJga?|"
        "^_&O`qKbK_y61&u$_D<1egXC703I<$)B7;W59JB|SDc|JvlyM>FZ5TiM4pP1v>~IkI|etjJpLP5d4Gl6zqq_=q>U6!Gmbl|zx{Hz"
        "?RDqX>Hlvdrcd4qyPtFa#FR;=yvbEbFYiF|WYK)^|9R8dcpG`o^E!EJ?uXm`U9ALnWMuB+fIaD+@ARd=R?|bb>67o}k9%GJHZKu*"
        "@T{yqUst8Q$%iGEIOZ_)qu&v>U4%XN30Q$Yx&"
    ),
    "macvlan that is down": (
        "c-q~QyGjF55QhJ=IVZabQCA5F3SLl9QE*YPi1*tA*jXC1G>O$>c}fc(!bkA|?D7)9!pg#KotYhoEE_Gv#y^BFvomLQX3hjKZ~%fB"
        "q6igq(u6pMK?UTC5r8=<euq<yv$%K6Eu4wHjVxo%s(((oubihhF;_KijVwcKDG!xL%3XY9A#qRRPc+Yh<Z)Qkd`tR#Q<(^>QWf)D"
        ">s}Go=@j>a2LBEyHw$>dH2#Zj5dQf)8d#^9$|UKArpPwvw6D|Kb{8A;JR;l5`~$t0sxp+lis+NmNnDNm-CpmGW1h_n9_ieJ-0)DQ"
        "@WmJYRxzyy*HaYdPfT6<VKu2<-j}5BkfiyUckPikm;V#RI(fsMCWiTas|J5zz~&_#jZ6BwdL3P>DXH6x@R!ZUzwLbM7ug)#E7xC)"
        "YnJSoqbaeLG5+JcEe^cJvHt|Wnmnx"
    ),
    "bridge's word on its port": (
        "c-lRX*$u)l5Jbm>bxbf2ZXvE9Zup}G8lVXz3ZQ_LL_LUN@G*&h-p(GQky9un0PeYhe=Vn;@7K-O1{oTGP5cB9<j_uM?#B1g_A_x)"
        ";Gt|Oh#uNai*T2Oy}02iq$X2xL7LzoE=A;=T#*^~Y@kI4WlZw1=+?DH532Mza^~q%59l+b&xl-dZ%tj0TXIKk$Rl|ougo(>^(-d%"
        "N>xwmzF-zI80_KW8XOS+`po_%=sywL48H"
    ),
}

MESSAGES = {name: zlib.decompress(base64.b85decode(text)) for name, text in _CAPTURED.items()}
