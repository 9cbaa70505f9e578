using FineMixing.Checkpoints;

namespace FineMixing.Tests.Mixing;

/// <summary>Small models with random weights.</summary>
internal static class Models
{
    public static readonly (string Name, long[] Shape)[] Bert =
    [
        ("embeddings.word_embeddings.weight", [97, 16]),
        ("embeddings.LayerNorm.weight", [16]),
        ("encoder.layer.0.attention.self.query.weight", [16, 16]),
        ("encoder.layer.0.attention.self.query.bias", [16]),
        ("encoder.layer.1.output.dense.weight", [16, 33]),
        ("encoder.layer.1.output.dense.bias", [16]),
        ("pooler.dense.weight", [16, 16]),
        ("pooler.dense.bias", [16]),
    ];

    public static StateDict Random(int seed, DType dtype = DType.F32, string prefix = "", IEnumerable<(string Name, long[] Shape)>? tensors = null, float spread = 1)
    {
        var random = new Random(seed);
        var model = new StateDict(FormattableString.Invariant($"model {seed}"));
        foreach (var (name, shape) in tensors ?? Bert)
            model.Add(Tensor(random, prefix + name, dtype, shape, spread));
        return model;
    }

    public static HostTensor Tensor(Random random, string name, DType dtype, long[] shape, float spread = 1)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
        for (var i = 0; i < values.Length; i++)
            values[i] = spread * ((2 * random.NextSingle()) - 1);
        return HostTensor.FromFloat32(name, [.. shape], values).ConvertTo(dtype);
    }
}
