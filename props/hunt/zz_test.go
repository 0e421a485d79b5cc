package hunt
import ("testing";"fmt";"github.com/slidefuzz/slidefuzz/impls/window";"github.com/slidefuzz/slidefuzz/props/run";"os";"strconv";"strings")
func TestZZ(t *testing.T){
 n,_ := strconv.Atoi(os.Getenv("SEEDS"))
 for _,b := range window.Bugs() {
  if p:=os.Getenv("ONLY"); p!="" && p!=b.Target.String() {continue}
  k,err := KillMatrix(t.Context(), run.Local(), b, KillOptions{Seeds:n,Cases:10000,Replays:100})
  fmt.Println(b.Target, k.At, k.Median(), k.Worst(), k.Failed, k.Minimal, k.Elapsed.Milliseconds(), err)
  if k.Small!=nil { fmt.Printf("   %v | %v\n", k.Small.Shape, k.Divergence); txt:=string(k.Small.Text()); fmt.Println(strings.ReplaceAll(txt[strings.Index(txt,"block"):],"\n","; ")) }
 }
}
