using System.Text;
using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Tests.Checkpoints.Safetensors;

public class ShardPlanTests
{
    private static readonly TensorInfo[] Tensors =
        [new("a", DType.F32, [10]), new("b", DType.F32, [10]), new("c", DType.F32, [30]), new("d", DType.F32, [1]), new("e", DType.F32, [0])];

    [Fact]
    public void Create_KnownTensors_HasThePinnedIndex()
    {
        var plan = ShardPlan.Create(Tensors, 80);
        Assert.Equal(
            """
            {
              "metadata": {
                "total_size": 204
              },
              "weight_map": {
                "a": "model-00001-of-00003.safetensors",
                "b": "model-00001-of-00003.safetensors",
                "c": "model-00002-of-00003.safetensors",
                "d": "model-00003-of-00003.safetensors",
                "e": "model-00003-of-00003.safetensors"
              }
            }

            """.ReplaceLineEndings("\n"), Encoding.UTF8.GetString(plan.ComposeIndex().Span));
    }

    [Fact]
    public void WriteHeaderAndIndex_ThousandsOfTensors_AreTheComposedBytes()
    {
        // Longer than what is collected before it goes to the file.
        var plan = ShardPlan.Create(Enumerable.Range(0, 3000).Select(i => new TensorInfo($"layer.{i}.\"weight é\"", DType.F32, [i])), 9_000_000);
        Assert.True(plan.IsSharded);
        using var folder = new TemporaryFolder();
        foreach (var (name, layout) in plan.Files)
        {
            using (var file = File.OpenHandle(folder[name], FileMode.CreateNew, FileAccess.ReadWrite))
                layout.WriteHeader(file);
            Assert.Equal(layout.ComposeHeader().ToArray(), File.ReadAllBytes(folder[name]));
        }

        using (var index = File.OpenHandle(folder["index"], FileMode.CreateNew, FileAccess.ReadWrite))
        {
            plan.WriteIndex(length =>
            {
                Assert.Equal(plan.ComposeIndex().Length, length);
                return index;
            });
        }

        Assert.Equal(plan.ComposeIndex().ToArray(), File.ReadAllBytes(folder["index"]));
    }

    [Theory]
    [InlineData(16)]
    [InlineData(1000)]
    public void Create_TwoOfOneNameInDifferentTypes_Throws(long limit) =>
        Assert.Contains("'a'", Assert.Throws<ArgumentException>(() => ShardPlan.Create([new("a", DType.F32, [4]), new("b", DType.F32, [4]), new("a", DType.F16, [4])], limit)).Message, StringComparison.Ordinal);

    [Fact]
    public void Create_TensorLargerThanTheLimit_GetsItsOwnFile()
    {
        var plan = ShardPlan.Create(Tensors, 80);
        Assert.Equal(["c"], plan.Files[1].Layout.Entries.Select(e => e.Tensor.Name));
    }

    [Fact]
    public void Create_EverythingFits_IsASingleFileWithoutIndex()
    {
        var plan = ShardPlan.Create(Tensors, 204);
        Assert.Equal("model.safetensors", Assert.Single(plan.Files).FileName);
        Assert.False(plan.IsSharded);
        Assert.Throws<InvalidOperationException>(() => plan.ComposeIndex());
    }

    [Fact]
    public void Create_AnyLimit_PutsEachTensorInOneFileWithinTheLimit()
    {
        for (var limit = 1; limit < 210; limit++)
        {
            var plan = ShardPlan.Create(Tensors, limit);
            Assert.Equal(Tensors.Select(t => t.Name), plan.Files.SelectMany(f => f.Layout.Entries).Select(e => e.Tensor.Name).Order(StringComparer.Ordinal));
            Assert.All(plan.Files, f => Assert.True(f.Layout.Entries.Count == 1 || f.Layout.Entries.Sum(e => e.Tensor.ByteLength) <= limit || f.Layout.Entries.Count(e => e.Tensor.ByteLength > 0) == 1));
        }
    }

    [Fact]
    public void Create_NamesThatNeedEscaping_IndexIsJson()
    {
        var plan = ShardPlan.Create([new TensorInfo("a\"\\\u0007é", DType.U8, [2]), new TensorInfo("b", DType.U8, [2])], 2);
        using var json = JsonDocument.Parse(plan.ComposeIndex());
        Assert.Equal(["a\"\\\u0007é", "b"], json.RootElement.GetProperty("weight_map").EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public void Create_SameNameTwice_IsRefusedThoughTheShardsDiffer() =>
        Assert.Throws<ArgumentException>(() => ShardPlan.Create([new TensorInfo("a", DType.U8, [2]), new TensorInfo("a", DType.F64, [2])], 1));

    [Fact]
    public void Create_TooManyShards_SaysToRaiseTheLimit()
    {
        var tensors = Enumerable.Range(0, 1001).Select(i => new TensorInfo($"t{i}", DType.U8, [1]));
        Assert.Contains("raise the limit", Assert.Throws<ArgumentException>(() => ShardPlan.Create(tensors, 1)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Create_LimitNotPositive_IsRefused(long limit) => Assert.Throws<ArgumentOutOfRangeException>(() => ShardPlan.Create(Tensors, limit));
}
