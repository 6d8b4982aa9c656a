import docx, openpyxl, pptx, datetime, sys, os
from docx.enum.text import WD_BREAK
from docx.oxml.ns import qn
from docx.oxml import OxmlElement
from docx.shared import Pt
out=sys.argv[1]
d=docx.Document()
d.core_properties.title="Kite handbook"
d.add_heading("Red kites",0)
d.add_heading("Food",1)
p=d.add_paragraph("Red kites eat ")
p.add_run("carrion").bold=True
p.add_run(", e.g. dead sheep.")
r=p.add_run(" secret words"); r.font.hidden=True
d.add_paragraph("first", style="List Bullet")
d.add_paragraph("deep", style="List Bullet 2")
d.add_paragraph("one", style="List Number")
d.add_paragraph("two", style="List Number")
d.add_heading("Pairs",2)
d.add_paragraph("Table 1: pairs seen", style="Caption")
t=d.add_table(rows=3,cols=3)
for i,row in enumerate([("month","pairs","remark"),("March","12","cold\nand wet"),("April","15","")]):
    for j,v in enumerate(row): t.cell(i,j).text=v
t.cell(2,0).merge(t.cell(2,1))
d.add_heading("Range",1)
d.add_paragraph("Wales and Spain.")
s=d.sections[0]; s.header.paragraphs[0].text="HEADER TEXT"; s.footer.paragraphs[0].text="FOOTER TEXT"
d.save(out+"/python-docx.docx")

w=openpyxl.Workbook()
s=w.active; s.title="Prices"
s["A1"]="Price list of 2024"
s.merge_cells("A1:C1")
s.append(["item","price","since"])
for i,(n,p,dt) in enumerate([("kite",9.5,datetime.date(2024,3,1)),("string",0.25,datetime.date(2023,12,24)),("bag",1200,datetime.date(2024,1,31))]):
    s.append([n,p,dt])
    s.cell(row=i+3,column=2).number_format='#,##0.00 "EUR"'
s["A8"]="share"; s["B8"]="ok"; s["A9"]=0.125; s["A9"].number_format="0.0%"; s["B9"]=True
s["A10"]="hidden row"; s.row_dimensions[10].hidden=True
s["F2"]="cost"; s["F3"]=5; s.column_dimensions["F"].hidden=True
s["A12"]=datetime.datetime(2024,3,1,14,30); s["B12"]=datetime.time(7,5); s["C12"]="=A9*2"
h=w.create_sheet("Secret"); h["A1"]="hidden sheet"; h.sheet_state="hidden"
far=w.create_sheet("Far"); far["A1"]="near"; far["XFD1048576"]="far"
w.save(out+"/openpyxl.xlsx")

p=pptx.Presentation()
s=p.slides.add_slide(p.slide_layouts[0]); s.shapes.title.text="Kites"; s.placeholders[1].text="A talk"
s=p.slides.add_slide(p.slide_layouts[1]); s.shapes.title.text="Food"
tf=s.placeholders[1].text_frame; tf.text="carrion"; q=tf.add_paragraph(); q.text="sheep"; q.level=1; q=tf.add_paragraph(); q.text="earthworms"
s.notes_slide.notes_text_frame.text="Say that they follow ploughs.\nPause."
s=p.slides.add_slide(p.slide_layouts[5]); s.shapes.title.text="Hidden one"; s._element.set("show","0")
s=p.slides.add_slide(p.slide_layouts[6])
from pptx.util import Inches
t=s.shapes.add_table(2,2,Inches(1),Inches(1),Inches(3),Inches(1)).table
for i in range(2):
    for j in range(2): t.cell(i,j).text=f"c{i}{j}"
b=s.shapes.add_textbox(Inches(1),Inches(3),Inches(3),Inches(1)); b.text_frame.text="A box without a title"
# the first slide goes to the end
l=p.slides._sldIdLst; first=l[0]; l.remove(first); l.append(first)
p.save(out+"/python-pptx.pptx")
