using System.Collections.Immutable;
using FineMixing.Checkpoints;
using FineMixing.Models;
using FineMixing.Randomness;
using FineMixing.Tokenization;
using FineMixing.Torch.FineTuning;

namespace FineMixing.Benchmarks.Training;

/// <summary>Models of real sizes with random weights, and random texts of given lengths.</summary>
internal static class Workload
{
    public static ModelConfig Config(string size, double dropout) => new()
    {
        VocabularySize = 30522,
        HiddenSize = size == "base" ? 768 : 384,
        Layers = size == "base" ? 12 : 6,
        Heads = 12,
        IntermediateSize = size == "base" ? 3072 : 1536,
        MaxPositions = 512,
        HiddenDropout = dropout,
        AttentionDropout = dropout,
        ClassifierDropout = dropout,
    };

    /// <summary>Random weights; <paramref name="change"/> above 0 moves each by up to this much, as fine-tuning would.</summary>
    public static StateDict Weights(ModelConfig config, double change = 0)
    {
        var tuning = new DeterministicRandom(2);
        var weights = new StateDict("random weights");
        var random = new DeterministicRandom(1);
        var (h, i) = (config.HiddenSize, config.IntermediateSize);
        void Add(string name, params long[] shape)
        {
            var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
            for (var k = 0; k < values.Length; k++)
                values[k] = shape.Length == 1 ? (name.EndsWith("LayerNorm.weight", StringComparison.Ordinal) ? 1 : 0) : (float)(0.07 * (random.NextDouble() - 0.5));
            for (var k = 0; change > 0 && k < values.Length; k++)
                values[k] += (float)(change * ((2 * tuning.NextDouble()) - 1));
            weights.Add(HostTensor.FromFloat32(name, [.. shape], values));
        }

        void Linear(string name, int outputs, int inputs)
        {
            Add(name + ".weight", outputs, inputs);
            Add(name + ".bias", outputs);
        }

        void Norm(string name)
        {
            Add(name + ".weight", h);
            Add(name + ".bias", h);
        }

        Add("bert.embeddings.word_embeddings.weight", config.VocabularySize, h);
        Add("bert.embeddings.position_embeddings.weight", config.MaxPositions, h);
        Add("bert.embeddings.token_type_embeddings.weight", config.TypeVocabularySize, h);
        Norm("bert.embeddings.LayerNorm");
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var p = $"bert.encoder.layer.{layer}.";
            foreach (var part in (string[])["query", "key", "value"])
                Linear(p + "attention.self." + part, h, h);
            Linear(p + "attention.output.dense", h, h);
            Norm(p + "attention.output.LayerNorm");
            Linear(p + "intermediate.dense", i, h);
            Linear(p + "output.dense", h, i);
            Norm(p + "output.LayerNorm");
        }

        Linear("bert.pooler.dense", h, h);
        Linear("classifier", config.LabelCount, h);
        return weights;
    }

    public static ModelInput Text(DeterministicRandom random, int length)
    {
        var ids = new int[length];
        for (var k = 0; k < length; k++)
            ids[k] = 1000 + random.NextInt32(29000);
        ids[0] = 101;
        var target = new float[2];
        target[random.NextInt32(2)] = 1;
        return new ModelInput(new Encoding(ids, new int[length]), target);
    }

    /// <summary>Lengths like those of SST-2's training texts: log-normal, mean about 12 tokens, at most 60.</summary>
    public static ModelInput[] Sentences(int count)
    {
        var random = new DeterministicRandom(7);
        return [.. Enumerable.Range(0, count).Select(_ => Text(random, Math.Clamp((int)Math.Exp(2.38 + (0.5 * random.NextGaussian())), 4, 60)))];
    }

    /// <summary>Texts that all have the same length.</summary>
    public static ModelInput[] Texts(int count, int length)
    {
        var random = new DeterministicRandom(3);
        return [.. Enumerable.Range(0, count).Select(_ => Text(random, length))];
    }

    /// <summary>Floating-point operations of one training step, counted as 6 per weight and token plus attention.</summary>
    public static double StepFlops(ModelConfig c, int rows, int tokens) =>
        (6.0 * rows * tokens * c.Layers * ((4.0 * c.HiddenSize * c.HiddenSize) + (2.0 * c.HiddenSize * c.IntermediateSize))) + (12.0 * rows * tokens * tokens * c.HiddenSize * c.Layers);

    public static ImmutableArray<string> Sizes { get; } = ["minilm", "base"];
}
