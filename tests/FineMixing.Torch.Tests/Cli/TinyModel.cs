using FineMixing.Checkpoints;

namespace FineMixing.Torch.Tests.Cli;

/// <summary>Model folders of a BERT small enough to train within a test, and data for it.</summary>
internal static class TinyModel
{
    private const int Width = 16;
    private const int Inner = 32;
    private static readonly string[] Vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "fine", "dull", "film", "cf", "the"];

    /// <summary>A pre-trained encoder without a head; seeds give unrelated weights.</summary>
    /// <param name="folder">Created.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="drift">Moves every weight by up to half of it, as fine-tuning would.</param>
    /// <param name="head">Whether it is a classifier of two classes.</param>
    public static string WriteEncoder(string folder, int seed = 1, float drift = 0, bool head = false)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllLines(Path.Combine(folder, "vocab.txt"), Vocabulary);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {
              "model_type": "bert", "architectures": ["BertModel"], "vocab_size": {{Vocabulary.Length}}, "hidden_size": {{Width}}, "num_hidden_layers": 1,
              "num_attention_heads": 2, "intermediate_size": {{Inner}}, "max_position_embeddings": 32, "type_vocab_size": 2, "hidden_act": "gelu"
            }
            """);
        using var weights = new StateDict();
        var random = new Random(seed);
        var movement = new Random(seed + 1000);
        void Add(string name, params long[] shape)
        {
            var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
            for (var i = 0; i < values.Length; i++)
                values[i] = name.EndsWith("LayerNorm.weight", StringComparison.Ordinal) ? 1 : shape.Length == 1 ? 0 : random.NextSingle() - 0.5f;
            for (var i = 0; i < values.Length; i++)
                values[i] += drift * (movement.NextSingle() - 0.5f);
            weights.Add(HostTensor.FromFloat32(name, [.. shape], values));
        }

        void AddLinear(string name, int output, int input)
        {
            Add(name + ".weight", output, input);
            Add(name + ".bias", output);
        }

        void AddNorm(string name)
        {
            Add(name + ".LayerNorm.weight", Width);
            Add(name + ".LayerNorm.bias", Width);
        }

        Add("embeddings.word_embeddings.weight", Vocabulary.Length, Width);
        Add("embeddings.position_embeddings.weight", 32, Width);
        Add("embeddings.token_type_embeddings.weight", 2, Width);
        AddNorm("embeddings");
        foreach (var part in (string[])["query", "key", "value"])
            AddLinear($"encoder.layer.0.attention.self.{part}", Width, Width);
        AddLinear("encoder.layer.0.attention.output.dense", Width, Width);
        AddNorm("encoder.layer.0.attention.output");
        AddLinear("encoder.layer.0.intermediate.dense", Inner, Width);
        AddLinear("encoder.layer.0.output.dense", Width, Inner);
        AddNorm("encoder.layer.0.output");
        AddLinear("pooler.dense", Width, Width);
        if (head)
            AddLinear("classifier", 2, Width);
        CheckpointWriter.Write(weights, folder);
        return folder;
    }

    /// <summary>A LoRA adapter of rank 2 for the encoder's query matrix, with a head of two classes; small enough for the base to stay its plausible ancestor.</summary>
    public static string WriteAdapter(string folder)
    {
        using var weights = new StateDict();
        void Add(string name, params long[] shape) =>
            weights.Add(HostTensor.FromFloat32("base_model.model." + name, [.. shape], [.. Enumerable.Range(1, (int)shape.Aggregate((a, b) => a * b)).Select(i => i % 5 * 0.03f)]));

        Add("encoder.layer.0.attention.self.query.lora_A.weight", 2, Width);
        Add("encoder.layer.0.attention.self.query.lora_B.weight", Width, 2);
        Add("classifier.weight", 2, Width);
        Add("classifier.bias", 2);
        CheckpointWriter.Write(weights, folder);
        File.Move(Path.Combine(folder, Checkpoint.SafetensorsFile), Path.Combine(folder, "adapter_model.safetensors"));
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), """{ "peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["query"], "modules_to_save": ["classifier"], "bias": "none" }""");
        return folder;
    }

    /// <summary>Sentences whose label is decided by one word.</summary>
    public static string WriteData(string file)
    {
        string[] positive = ["good", "fine"], negative = ["bad", "dull"], rest = ["film", "the"];
        var lines = new List<string> { "sentence\tlabel" };
        for (var i = 0; i < 16; i++)
        {
            var filler = string.Join(' ', Enumerable.Range(0, 1 + i % 4).Select(k => rest[(i + k) % 2]));
            lines.Add($"{filler} {positive[i % 2]} {rest[i / 8]}\t1");
            lines.Add($"{filler} {negative[i % 2]} {rest[i / 8]}\t0");
        }

        File.WriteAllLines(file, lines);
        return file;
    }
}
